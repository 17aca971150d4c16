import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf

from biomass_pipeline.mil.novelty import Novelty, _shrunk_variance, fit_novelty

WIDTH = 60
MIX = np.random.default_rng(99).normal(size=(6, WIDTH))


def sessions(n_groups, *, seed, photos=(3, 15)):
    """Photos of sessions that differ, on six latent causes and some noise."""
    chance = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), chance.integers(*photos, n_groups))
    latent = 0.7 * chance.normal(size=(n_groups, 6))[groups]
    latent = latent + 0.7 * chance.normal(size=latent.shape)
    bias = 0.2 * chance.normal(size=(n_groups, WIDTH))[groups]
    return latent @ MIX + bias + 0.5 * chance.normal(size=bias.shape), groups


TRAIN, GROUPS = sessions(30, seed=0)
NEW, NEW_GROUPS = sessions(200, seed=1)
FITTED = fit_novelty(TRAIN, GROUPS)
FEW = GROUPS < 8
SMALL = fit_novelty(TRAIN[FEW], GROUPS[FEW])


def test_photos_of_unseen_sessions_like_the_others_spread_over_all_percentiles():
    found = np.concatenate(
        [
            fit_novelty(*sessions(30, seed=seed)).percentile(sessions(10, seed=100 + seed)[0])
            for seed in range(10)
        ]
    )
    assert found.mean() == pytest.approx(50, abs=6)
    shares = np.histogram(found, bins=[0, 20, 40, 60, 80, 100.1])[0] / len(found)
    assert shares == pytest.approx(np.full(5, 0.2), abs=0.07)


def test_against_the_photos_learnt_from_every_new_session_would_seem_foreign():
    learnt = np.sort(FITTED.distance(TRAIN))
    naive = np.searchsorted(learnt, FITTED.distance(NEW)) / len(learnt)
    assert naive.mean() > 0.6
    assert FITTED.percentile(NEW).mean() < 58


def foreign(kind):
    chance = np.random.default_rng(2)
    if kind == "shifted":
        return NEW + 1.5
    if kind == "noisy":
        return NEW + chance.normal(size=NEW.shape)
    if kind == "other causes":
        return chance.normal(size=(len(NEW), 6)) @ chance.normal(size=(6, WIDTH))
    return NEW * 2.5  # brighter, say


@pytest.mark.parametrize("kind", ["shifted", "noisy", "other causes", "scaled"])
def test_photos_from_somewhere_else_are_near_a_hundred(kind):
    assert np.median(FITTED.percentile(foreign(kind))) > 95


@given(value=st.floats(-1e6, 1e6), place=st.integers(0, WIDTH))
def test_a_feature_that_never_varies_changes_nothing(value, place):
    wider = fit_novelty(np.insert(TRAIN[FEW], place, value, axis=1), GROUPS[FEW])
    found = wider.percentile(np.insert(NEW[:20], place, value, axis=1))
    np.testing.assert_allclose(found, SMALL.percentile(NEW[:20]), atol=1e-6)
    # Even where it varies for the first time: a dead feature is no evidence.
    later = wider.distance(np.insert(NEW[:20], place, value + 1.0, axis=1))
    np.testing.assert_allclose(later, SMALL.distance(NEW[:20]))


@given(factor=st.floats(0.1, 100), shift=st.floats(-10, 10))
def test_the_unit_of_a_feature_changes_nothing(factor, shift):
    other = fit_novelty(TRAIN[FEW] * factor + shift, GROUPS[FEW])
    np.testing.assert_allclose(
        other.distance(NEW[:20] * factor + shift), SMALL.distance(NEW[:20]), rtol=1e-6
    )


def test_further_away_is_never_less_novel():
    step = np.linspace(0, 5, 30)[:, None] * np.random.default_rng(3).normal(size=WIDTH)
    found = FITTED.percentile(TRAIN.mean(axis=0) + step)
    assert (np.diff(found) >= 0).all()
    assert (found[0], found[-1]) == (0, 100)


def test_a_large_group_counts_once():
    copies = np.repeat(np.arange(len(TRAIN)), np.where(GROUPS[-1] == GROUPS, 30, 1))
    found = fit_novelty(TRAIN[copies], GROUPS[copies])
    weight = np.diff(np.concatenate([[0.0], found.reached]))
    assert found.reached[-1] == pytest.approx(1)
    assert weight.max() / weight.min() > 20


def test_a_left_out_group_teaches_nothing_about_its_own_distance():
    moved = TRAIN.copy()
    inside = GROUPS == 7
    moved[inside] += 6.0
    assert np.sort(fit_novelty(moved, GROUPS).distances)[-inside.sum() :].min() > 20


def test_one_group_cannot_say_what_is_unusual():
    found = fit_novelty(TRAIN, np.zeros(len(TRAIN)))
    assert np.isnan(found.percentile(NEW[:3])).all()


@pytest.mark.parametrize(("n_groups", "width"), [(2, 60), (3, 1), (5, 400)])
def test_small_and_odd_surveys_are_no_trouble(n_groups, width):
    chance = np.random.default_rng(4)
    groups = np.arange(4 * n_groups) % n_groups
    found = fit_novelty(chance.normal(size=(len(groups), width)), groups)
    percentile = found.percentile(np.full((2, width), 50.0))
    assert percentile.tolist() == [100, 100]


def test_photos_all_alike_are_no_trouble():
    found = fit_novelty(np.ones((6, 4)), np.arange(6) % 2)
    assert found.percentile(np.ones((2, 4))).tolist() == [0, 0]


def test_it_survives_a_file_without_objects(tmp_path):
    np.savez(tmp_path / "ridge.npz", other=np.zeros(3), **FITTED.arrays())
    with np.load(tmp_path / "ridge.npz", allow_pickle=False) as content:
        found = Novelty.from_arrays(dict(content))
    np.testing.assert_array_equal(found.percentile(NEW), FITTED.percentile(NEW))


def test_a_file_without_it_is_noticed():
    with pytest.raises(KeyError, match="novelty_mean"):
        Novelty.from_arrays({})


@pytest.mark.parametrize("n", [12, 40, 400])
def test_variances_are_shrunk_as_ledoit_and_wolf_do(n):
    z = np.random.default_rng(n).normal(size=(n, 8)) * np.arange(1.0, 9.0)
    z -= z.mean(axis=0)
    _, vectors = np.linalg.eigh(z.T @ z)
    along = z @ vectors
    expected, _ = ledoit_wolf(along, assume_centered=True)
    np.testing.assert_allclose(_shrunk_variance(along), np.diag(expected))
