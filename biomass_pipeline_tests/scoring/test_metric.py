import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from biomass_pipeline.config import CSIRO_TARGETS
from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.scoring import kg_per_ha, score_target, weighted_r2

WEIGHTS = {target.name: target.weight for target in CSIRO_TARGETS}
ALPHABETICAL = tuple(sorted(WEIGHTS))
EVEN = {"a": 1.0, "b": 1.0}

masses = arrays(float, (6, 5), elements=st.floats(0, 200))


def spread(y):
    return y + np.arange(y.size).reshape(y.shape)  # never all alike


@given(y=masses, p=masses, order=st.permutations(range(5)))
def test_permuting_the_target_columns_changes_nothing(y, p, order):
    y = spread(y)
    names = [ALPHABETICAL[column] for column in order]
    permuted = weighted_r2(y[:, order], p[:, order], targets=names, weights=WEIGHTS)
    assert permuted == pytest.approx(
        weighted_r2(y, p, targets=ALPHABETICAL, weights=WEIGHTS), rel=1e-9, abs=1e-9
    )


def test_weights_go_by_name_so_a_wrong_name_changes_the_score():
    y = spread(np.zeros((3, 5)))
    p = y + np.array([0, 0, 0, 10, 0])  # an error on one column only
    first = weighted_r2(y, p, targets=ALPHABETICAL, weights=WEIGHTS)
    swapped = (*ALPHABETICAL[:3], ALPHABETICAL[4], ALPHABETICAL[3])
    assert weighted_r2(y, p, targets=swapped, weights=WEIGHTS) > first


@given(y=masses)
def test_a_perfect_prediction_scores_one(y):
    y = spread(y)
    assert weighted_r2(y, y, targets=ALPHABETICAL, weights=WEIGHTS) == 1.0


@given(y=masses)
def test_the_one_weighted_mean_scores_zero(y):
    y = spread(y)
    mean = (y * [WEIGHTS[name] for name in ALPHABETICAL]).sum() / len(y)
    p = np.full_like(y, mean)
    assert weighted_r2(y, p, targets=ALPHABETICAL, weights=WEIGHTS) == pytest.approx(0, abs=1e-9)


@given(y=masses, p=masses, factor=st.floats(0.01, 100))
def test_the_unit_and_the_scale_of_the_weights_do_not_matter(y, p, factor):
    y = spread(y)
    heavier = {name: 7 * weight for name, weight in WEIGHTS.items()}
    assert weighted_r2(
        factor * y, factor * p, targets=ALPHABETICAL, weights=heavier
    ) == pytest.approx(weighted_r2(y, p, targets=ALPHABETICAL, weights=WEIGHTS), rel=1e-6)


def test_an_example_worked_by_hand():
    # Cells: a (weight 1) 0 and 2, b (weight 3) 4 and 6. Mean (0 + 2 + 12 + 18) / 8 = 4.
    # Total 16 + 4 + 0 + 12 = 32; residual 1 (a, first) + 3 * 4 (b, second) = 13.
    score = weighted_r2(
        [[0, 4], [2, 6]], [[1, 4], [2, 4]], targets=("a", "b"), weights={"b": 3, "a": 1}
    )
    assert score == pytest.approx(1 - 13 / 32)


def test_each_targets_own_mean_scores_above_zero_when_the_means_differ():
    # Means 1 and 5 around one mean of 3: between 4 * 4 = 16, within 4 * 1 = 4.
    y = np.array([[0.0, 4.0], [2.0, 6.0]])
    p = np.broadcast_to(y.mean(axis=0), y.shape)
    assert weighted_r2(y, p, targets=("a", "b"), weights=EVEN) == pytest.approx(16 / 20)


def test_it_is_not_the_mean_of_the_targets_scores():
    y = np.array([[0.0, 4.0], [2.0, 6.0]])
    p = np.array([[0.5, 5.0], [2.0, 5.0]])
    own = [score_target(y[:, column], p[:, column]).r2 for column in range(2)]
    assert weighted_r2(y, p, targets=("a", "b"), weights=EVEN) != pytest.approx(np.mean(own))


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_labels_that_are_all_alike_have_no_score(value):
    y = np.full((7, 2), value)
    with pytest.raises(UndefinedScoreError, match="all 14 labels are alike"):
        weighted_r2(y, y, targets=("a", "b"), weights=EVEN)


@pytest.mark.parametrize(
    ("weights", "words"),
    [({"a": 1.0}, "no weight is given for b"), ({"a": 0.0, "b": 0.0}, "positive weight")],
)
def test_a_target_without_weight_is_named(weights, words):
    with pytest.raises(UndefinedScoreError, match=words):
        weighted_r2([[0, 1]], [[0, 1]], targets=("a", "b"), weights=weights)


@pytest.mark.parametrize(
    ("y", "p", "words"),
    [([[0, 1]], [[0, np.nan]], "finite"), (np.zeros((0, 2)), np.zeros((0, 2)), "no image")],
)
def test_values_that_cannot_be_scored_are_refused(y, p, words):
    with pytest.raises(UndefinedScoreError, match=words):
        weighted_r2(y, p, targets=("a", "b"), weights=EVEN)


@pytest.mark.parametrize(
    ("y", "p"), [([0, 1], [0, 1]), ([[0, 1]], [[0, 1], [0, 1]]), ([[0]], [[0]])]
)
def test_shapes_must_agree(y, p):
    with pytest.raises(ValueError, match=r"shape|targets"):
        weighted_r2(y, p, targets=("a", "b"), weights=EVEN)


def test_one_target_by_hand():
    score = score_target([1, 2, 3], [2, 2, 5])
    assert (score.n, score.mae, score.bias) == (3, pytest.approx(1), pytest.approx(1))
    assert score.r2 == pytest.approx(1 - 5 / 2)
    assert score.rmse == pytest.approx(np.sqrt(5 / 3))


def test_a_target_without_spread_keeps_its_errors_and_has_no_r2():
    score = score_target([4, 4], [5, 3])
    assert (score.r2, score.rmse, score.bias) == (None, 1.0, 0.0)


@given(mass_g=st.floats(0, 1e4), area_m2=st.floats(0.01, 10))
def test_a_hectare_of_quadrats_weighs_its_kilograms(mass_g, area_m2):
    quadrats = 10_000 / area_m2
    assert kg_per_ha(mass_g, area_m2) == pytest.approx(mass_g * quadrats / 1000)
