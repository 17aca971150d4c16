"""New sessions like the known ones are quiet as often as promised; shifts are told."""

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.evaluation import check_mean_shift, check_outside, mean_shift

WIDTH = 40


def session(chance, n, *, shift=0.0, heavy=False):
    """Photos that share their session's light: most of what features differ by is common."""
    mixing = np.random.default_rng(99).normal(size=(6, WIDTH))
    common = chance.standard_t(4, size=6) if heavy else chance.normal(size=6)
    own = common @ mixing + 0.5 * chance.normal(size=WIDTH) + shift
    return own + 0.7 * chance.normal(size=(n, 6)) @ mixing + chance.normal(size=(n, WIDTH))


def trial(seed, *, n_groups=24, n_new=8, shift=0.0, n_sessions=1, heavy=False):
    chance = np.random.default_rng(seed)
    sizes = chance.integers(1, 20, n_groups)
    old = np.concatenate([session(chance, n, heavy=heavy) for n in sizes])
    moved = shift * chance.normal(size=WIDTH)
    new = [session(chance, n_new, shift=moved, heavy=heavy) for _ in range(n_sessions)]
    return mean_shift(
        np.concatenate(new), old, np.repeat(np.arange(n_groups), sizes), chance=chance
    )


def alarms(n_trials=250, **how):
    return np.mean([trial(seed, **how).p_value <= 0.01 for seed in range(n_trials)])


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"n_new": 1}, id="one photo"),
        pytest.param({"n_new": 15}, id="a large session"),
        pytest.param({"n_groups": 8}, id="few groups"),
        pytest.param({"n_sessions": 4}, id="several sessions"),
    ],
)
def test_sessions_like_the_known_ones_raise_one_alarm_in_a_hundred(how):
    assert alarms(**how) <= 0.02


def test_sessions_with_heavy_tails_raise_few_more():
    assert alarms(heavy=True) <= 0.04


def test_a_shift_is_told():
    assert alarms(60, shift=6.0) >= 0.9


def test_the_feature_that_moved_is_named():
    chance = np.random.default_rng(1)
    old = np.concatenate([session(chance, 6) for _ in range(12)])
    new = session(chance, 6)
    new[:, 7] += 400.0
    found = mean_shift(new, old, np.repeat(np.arange(12), 6), chance=chance)
    assert found.features[0] == 7
    assert found.deviations[0] > 10
    result = check_mean_shift(found, n_new=6)
    assert result.table.iloc[0]["feature"] == 7


def test_a_constant_feature_does_no_harm():
    chance = np.random.default_rng(1)
    old, new = (np.pad(session(chance, 60), ((0, 0), (0, 1))) for _ in range(2))
    found = mean_shift(new, old, np.repeat(np.arange(12), 5), chance=chance)
    assert np.isfinite(found.p_value)


def test_a_shift_fails_with_its_numbers_and_the_next_step():
    result = check_mean_shift(trial(3, shift=20.0), n_new=8)
    assert not result.passed
    assert "24 known groups" in result.sentence
    assert "by groups; the limit is 0.01" in result.sentence
    assert "weigh some of these photos" in result.sentence


def test_no_shift_passes():
    assert check_mean_shift(trial(3), n_new=8).passed


def test_few_groups_cannot_tell():
    result = check_mean_shift(trial(3, n_groups=5), n_new=8)
    assert result.passed
    assert result.sentence == (
        "5 groups are too few to tell a new session from a shift; 6 are needed."
    )


def test_no_new_photos_pass():
    old = session(np.random.default_rng(0), 30)
    found = mean_shift(old[:0], old, np.arange(30) // 3, chance=np.random.default_rng(0))
    assert check_mean_shift(found, n_new=0).sentence == "There are no photos without labels."


class TestOutside:
    def percentiles(self, *values):
        return pd.Series(values, index=[f"p{i}" for i in range(len(values))], dtype=float)

    def test_few_outside_pass(self):
        found = check_outside(self.percentiles(99.0, 50.0, 20.0, np.nan))
        assert found.passed
        assert "1 of 3 photos without labels (33%)" in found.sentence
        assert found.facts["share"] == pytest.approx(1 / 3)

    def test_half_outside_fail_and_are_listed(self):
        found = check_outside(self.percentiles(96.0, 50.0, 99.0, 20.0))
        assert not found.passed
        assert found.table["image_id"].tolist() == ["p2", "p0"]
        assert "do not trust these before some of them are weighed" in found.sentence

    def test_the_limit_itself_is_inside(self):
        assert check_outside(self.percentiles(95.0, 95.0)).passed

    @pytest.mark.parametrize(
        ("values", "words"),
        [((), "There are no photos without labels"), ((np.nan,), "It is not known")],
    )
    def test_nothing_to_compare_passes_and_says_so(self, values, words):
        found = check_outside(self.percentiles(*values))
        assert found.passed
        assert found.sentence == f"{words}: nothing to compare."
