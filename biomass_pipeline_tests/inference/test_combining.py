"""Laws of putting folds together: sums hold, doubt widens, agreement does not, order is none."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from biomass_pipeline.inference.combining import (
    EnsemblePrediction,
    combine,
    kg_dm_ha_of,
    no_photos,
    widened,
)
from biomass_pipeline.mil.predictive import PredictionSpec
from biomass_pipeline.scoring import ErrorVariance
from biomass_pipeline_tests.inference.saying import (
    LEVELS,
    TARGETS,
    chance_fold,
    fold_of,
    some_folds,
)

UNKNOWN = (ErrorVariance(1.0, 1.0),) * 5
CLOSE = {"rel": 1e-9, "abs": 1e-9}


def together(folds):
    n_photos = len(folds[0].image_ids)
    return combine(folds, novelty=np.zeros(n_photos), variance=UNKNOWN)


def halves(folds):
    """Half-widths of the folds, shape (fold, level, photo, target)."""
    return np.stack([fold.upper - fold.y for fold in folds])


def half(found):
    return found.predictive.upper - found.predictive.y


@given(some_folds())
def test_identities_hold_in_points_and_in_every_draw(folds):
    found = together(folds).predictive
    columns = list(TARGETS.component_columns)
    for values in (found.y, found.draws):
        assert values == pytest.approx(TARGETS.sums(values[..., columns]), **CLOSE)
    assert (found.components >= 0).all()
    assert (found.draws >= 0).all()
    assert (found.lower >= 0).all()


@given(some_folds())
def test_the_point_is_the_mean_of_the_folds_points(folds):
    assert together(folds).predictive.y == pytest.approx(
        np.mean([fold.y for fold in folds], axis=0), **CLOSE
    )


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_folds_that_agree_give_the_mean_width_and_no_more(seed, n_folds):
    """Alike in points, not in widths."""
    first = chance_fold(seed, n_photos=3)
    folds = [
        replace(first, upper=first.y + (k + 1) * (first.upper - first.y)) for k in range(n_folds)
    ]
    found = together(folds)
    assert found.disagreement == pytest.approx(0.0, abs=1e-9)
    assert half(found) == pytest.approx(halves(folds).mean(axis=0), **CLOSE)


@given(some_folds())
def test_no_interval_is_narrower_than_the_mean_of_the_folds(folds):
    assert (half(together(folds)) >= halves(folds).mean(axis=0) * (1 - 1e-12) - 1e-9).all()


@given(some_folds(), st.floats(0, 5), st.floats(0, 5))
def test_more_disagreement_widens(folds, one, other):
    """The folds' points are pulled apart about their mean; their widths stay."""
    less, more = sorted((one, other))
    mean = np.mean([fold.components for fold in folds], axis=0) + 1e4

    def apart(factor):
        moved = []
        for fold in folds:
            components = mean + factor * (fold.components - mean + 1e4)
            y = TARGETS.sums(components)
            shifted = replace(fold, components=components, upper=y + fold.upper - fold.y)
            moved.append(shifted)
        return together(moved)

    tight, loose = apart(less), apart(more)
    assert (half(loose) >= half(tight) - 1e-6).all()
    apart_by_a_gram = loose.disagreement > tight.disagreement + 1.0
    assert (half(loose) > half(tight))[:, apart_by_a_gram].all()
    assert loose.disagreement * less == pytest.approx(tight.disagreement * more, abs=1e-6)


@given(some_folds(), st.randoms(use_true_random=False))
def test_the_order_of_folds_changes_nothing_but_the_order_of_draws(folds, random):
    shuffled = list(folds)
    random.shuffle(shuffled)
    one, other = together(folds), together(shuffled)
    for name in ("components", "lower", "upper"):
        assert getattr(other.predictive, name) == pytest.approx(
            getattr(one.predictive, name), **CLOSE
        )
    assert other.disagreement == pytest.approx(one.disagreement, **CLOSE)
    assert (np.sort(other.predictive.draws, axis=0) == np.sort(one.predictive.draws, axis=0)).all()
    assert other.predictive.p_zero == pytest.approx(one.predictive.p_zero)


@given(some_folds(), st.data())
def test_a_photo_is_told_the_same_whatever_others_are_beside_it(folds, data):
    photo = data.draw(st.integers(0, len(folds[0].image_ids) - 1))
    alone = together(
        [
            replace(
                fold,
                image_ids=fold.image_ids[photo : photo + 1],
                components=fold.components[[photo]],
                lower=fold.lower[:, [photo]],
                upper=fold.upper[:, [photo]],
                draws=fold.draws[:, [photo]],
            )
            for fold in folds
        ]
    )
    everyone = together(folds).frame(0.21)
    mine = everyone[everyone["image_id"] == f"p{photo}"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.frame(0.21), mine)


@given(some_folds())
def test_absence_is_a_share_and_the_mean_of_the_folds(folds):
    found = together(folds).predictive.p_zero
    assert ((found >= 0) & (found <= 1)).all()
    assert found == pytest.approx(np.mean([fold.p_zero for fold in folds], axis=0))


@given(some_folds())
def test_draws_hold_what_folds_doubt_and_what_they_doubt_in_each_other(folds):
    """The law of total variance for a mixture in equal shares."""
    found = together(folds).predictive.draws
    within = np.mean([fold.draws.var(axis=0) for fold in folds], axis=0)
    between = np.var([fold.draws.mean(axis=0) for fold in folds], axis=0)
    assert found.var(axis=0) == pytest.approx(within + between, rel=1e-6, abs=1e-6)


def test_alike_normal_folds_give_the_interval_of_the_mixtures_variance():
    """Two folds, sd 3, points 8 apart: sd of the mixture 5."""
    sd, apart = 3.0, 4.0
    quantile = norm.ppf((1 + np.array(LEVELS)) / 2)
    found = widened(
        np.broadcast_to(sd * quantile[:, None, None], (2, 3, 1, 1)),
        np.array([[apart]]),
        levels=LEVELS,
    )
    assert found[:, 0, 0] == pytest.approx(5.0 * quantile)


def test_a_level_that_one_fold_cannot_promise_is_promised_by_none():
    folds = [chance_fold(seed, n_photos=2) for seed in range(3)]
    upper = folds[1].upper.copy()
    upper[2] = np.nan
    folds[1] = replace(folds[1], upper=upper)
    found = together(folds).frame(0.21)
    assert found[["y_lower", "y_upper", "kg_dm_ha_lower"]].isna().all(axis=None)
    assert found[["y_lower_80", "y_upper_50", "y_pred"]].notna().all(axis=None)


def test_folds_of_other_photos_are_refused():
    other = replace(chance_fold(1, n_photos=2), image_ids=("p1", "p0"))
    with pytest.raises(ValueError, match="the same photos in the same order"):
        together([chance_fold(0, n_photos=2), other])


def test_the_table_has_kilograms_a_hectare_where_grams_were_weighed():
    found = together([chance_fold(0, n_photos=2), chance_fold(1, n_photos=2)])
    frame = found.frame(0.21, in_grams=["Dry_Green_g"])
    assert list(frame.columns) == [
        "image_id",
        "target",
        *("y_pred", "y_lower", "y_upper", "y_lower_50", "y_upper_50", "y_lower_80", "y_upper_80"),
        "p_zero",
        *("kg_dm_ha", "kg_dm_ha_lower", "kg_dm_ha_upper"),
        *("fold_sd", "ood_percentile"),
    ]
    green = frame["target"] == "Dry_Green_g"
    assert frame.loc[green, "kg_dm_ha"].to_numpy() == pytest.approx(
        frame.loc[green, "y_pred"] * 47.619, rel=1e-5
    )
    assert frame.loc[~green, ["kg_dm_ha", "kg_dm_ha_lower", "kg_dm_ha_upper"]].isna().all(axis=None)
    assert found.frame(0.21)["kg_dm_ha"].notna().all()


def test_a_gram_on_a_fifth_of_a_square_metre_is_fifty_kilograms_a_hectare():
    assert kg_dm_ha_of(pd.Series(["a"]), 0.2).tolist() == [pytest.approx(50.0)]


def test_no_photo_gives_all_columns_and_no_row():
    spec = PredictionSpec(LEVELS, 0.9, "pooled", n_draws=20, seed=0)
    empty = no_photos(TARGETS, spec).frame(0.21)
    whole = together([chance_fold(0, n_photos=1)]).frame(0.21)
    assert len(empty) == 0
    pd.testing.assert_series_equal(empty.dtypes, whole.dtypes)


def test_predictions_of_other_photos_are_joined_in_their_order():
    folds = [chance_fold(0, n_photos=2), chance_fold(1, n_photos=2)]
    renamed = [replace(fold, image_ids=("q0", "q1")) for fold in folds]
    found = EnsemblePrediction.concatenate([together(folds), together(renamed)])
    assert found.predictive.image_ids == ("p0", "p1", "q0", "q1")
    frame = found.frame(0.21)
    numbers = frame.drop(columns="image_id")
    pd.testing.assert_frame_equal(
        numbers.iloc[:10].reset_index(drop=True), numbers.iloc[10:].reset_index(drop=True)
    )


def test_a_sure_fold_is_still_a_fold():
    """Draws and widths of zero: only disagreement is left."""
    none = np.zeros((3, 1, 5))
    folds = [
        fold_of([[value, 0.0, 0.0]], none, np.full((2, 1, 3), [value, 0.0, 0.0]))
        for value in (10.0, 20.0)
    ]
    found = together(folds)
    # Green, dead, clover, GDM, total: the components are those of the configuration's order.
    assert found.disagreement[0].max() == pytest.approx(5.0)
    assert half(found)[2].max() == pytest.approx(5.0 * norm.ppf(0.95))
    assert found.predictive.p_zero[0].tolist().count(1.0) == 2
