import numpy as np
import pytest

from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.scoring import (
    bootstrap_differences,
    bootstrap_weighted_r2,
    compare_models,
    weighted_r2,
)

CHANCE = np.random.default_rng(0)
TRUE = CHANCE.gamma(2, 10, (60, 2))
PRED = TRUE + CHANCE.normal(0, 5, TRUE.shape)
GROUPS = np.repeat([f"visit {number}" for number in range(12)], 5)
WEIGHTS = (0.3, 0.7)


def boot(groups=GROUPS, true=TRUE, pred=PRED, seed=0, **options):
    return bootstrap_weighted_r2(
        true,
        pred,
        groups,
        column_weights=WEIGHTS,
        chance=np.random.default_rng(seed),
        **options,
    )


def compare(first, second, *, true=TRUE, groups=GROUPS, seed=0, **options):
    return compare_models(
        true,
        (first, second),
        groups,
        column_weights=WEIGHTS,
        chance=np.random.default_rng(seed),
        **options,
    )


def score(true, pred):
    return weighted_r2(
        true, pred, targets=("a", "b"), weights=dict(zip("ab", WEIGHTS, strict=True))
    )


def test_every_draw_is_the_metric_of_whole_groups():
    seed = 5
    counts = np.random.default_rng(seed).multinomial(12, np.full(12, 1 / 12), size=4)
    names = np.unique(GROUPS)
    for draw, count in zip(boot(seed=seed, n_resamples=4), counts, strict=True):
        rows = np.concatenate(
            [
                np.tile(np.flatnonzero(name == GROUPS), times)
                for name, times in zip(names, count, strict=True)
            ]
        )
        assert draw == pytest.approx(score(TRUE[rows], PRED[rows]))


def test_one_group_gives_the_score_itself():
    np.testing.assert_allclose(boot(groups=np.zeros(60)), score(TRUE, PRED))


def test_shared_errors_widen_the_interval_against_images_drawn_alone():
    shared = TRUE + np.repeat(CHANCE.normal(0, 8, 12), 5)[:, None]
    grouped, alone = boot(pred=shared), boot(pred=shared, groups=np.arange(60))
    assert grouped.std() > 1.3 * alone.std()


def test_draws_without_spread_are_left_out():
    true = np.array([[1.0, 1.0], [2.0, 2.0]])
    found = boot(groups=["a", "b"], true=true, pred=true, n_resamples=100)
    assert 20 < len(found) < 80  # half of the draws hold one group twice
    assert (found == 1).all()


WORSE = TRUE + CHANCE.normal(0, 9, TRUE.shape)


def test_both_models_are_scored_on_the_same_draws_of_groups():
    found = bootstrap_differences(
        TRUE,
        (PRED, WORSE),
        GROUPS,
        column_weights=WEIGHTS,
        chance=np.random.default_rng(7),
        n_resamples=20,
    )
    expected = boot(seed=7, n_resamples=20) - boot(pred=WORSE, seed=7, n_resamples=20)
    np.testing.assert_allclose(found, expected)


def test_a_better_model_is_found_better():
    found = compare(PRED, WORSE)
    assert found.difference == pytest.approx(score(TRUE, PRED) - score(TRUE, WORSE))
    assert 0 < found.lower < found.difference < found.upper
    assert found.p_value < 0.01
    assert found.effect_size > 0.8
    assert found.n_groups == 12


def test_exchanging_the_models_changes_the_signs_only():
    one, other = compare(PRED, WORSE), compare(WORSE, PRED)
    assert other.difference == -one.difference
    assert (other.lower, other.upper) == pytest.approx((-one.upper, -one.lower))
    assert other.p_value == one.p_value
    assert other.effect_size == pytest.approx(-one.effect_size)


def test_models_that_predict_alike_do_not_differ():
    found = compare(PRED, PRED)
    assert (found.difference, found.lower, found.upper) == (0, 0, 0)
    assert (found.p_value, found.effect_size) == (1, 0)


def test_the_effect_size_is_of_the_groups_weighted_squared_errors():
    true = np.array([[0.0, 0.0], [4.0, 1.0], [9.0, 2.0]])
    first, second = true + np.array([1.0, 0.0]), true + np.array([[0.0, 1], [0, 2], [0, 3]])
    gain = 0.7 * np.array([1.0, 4.0, 9.0]) - 0.3
    found = compare(first, second, true=true, groups=list("abc"), n_resamples=50)
    assert found.effect_size == pytest.approx(gain.mean() / gain.std(ddof=1))


def test_one_group_says_nothing_about_others():
    found = compare(PRED, WORSE, groups=["a"] * 60)
    assert found.difference == pytest.approx(score(TRUE, PRED) - score(TRUE, WORSE))
    assert (found.lower, found.upper, found.p_value, found.effect_size) == (None,) * 4


def test_the_p_value_agrees_with_the_interval():
    chance = np.random.default_rng(4)
    for _ in range(100):
        found = compare(PRED, PRED + chance.normal(0, 2, PRED.shape), n_resamples=4000)
        if abs(found.p_value - 0.05) > 0.01:
            assert (found.p_value < 0.05) == (found.lower > 0 or found.upper < 0)


def test_one_draw_says_nothing_and_more_draws_can_say_more():
    """Davison and Hinkley (1997), equation 4.11: the data themselves count as one of the draws."""
    far = TRUE + 10 * (WORSE - TRUE)
    p_values = [compare(PRED, far, n_resamples=n).p_value for n in (1, 2, 3, 10, 100)]
    assert p_values[0] == pytest.approx(1)
    assert p_values == sorted(p_values, reverse=True)
    # With all three draws on one side, a quarter lies beyond 0: at 12 groups a t of .646.
    assert p_values[2] == pytest.approx(0.532, abs=0.001)


def test_few_groups_widen_the_interval_beyond_plain_percentiles():
    found = compare(PRED, WORSE, n_resamples=4000)
    draws = bootstrap_differences(
        TRUE,
        (PRED, WORSE),
        GROUPS,
        column_weights=WEIGHTS,
        chance=np.random.default_rng(0),
        n_resamples=4000,
    )
    lower, upper = np.quantile(draws, [0.025, 0.975])
    assert found.lower < lower < upper < found.upper
    assert (found.upper - found.lower) < 1.4 * (upper - lower)


def test_labels_without_spread_cannot_tell_models_apart():
    with pytest.raises(UndefinedScoreError, match="all labels are alike"):
        compare(PRED, WORSE, true=np.ones_like(TRUE))


def rejections(*, by_group, n=200):
    """How often models that are equally good are called different at .05."""
    chance = np.random.default_rng(11)
    groups = np.repeat(range(30), 6)
    found = 0
    for _ in range(n):
        true = chance.gamma(2, 10, (180, 2))
        errors = [
            np.repeat(chance.normal(0, 4, (30, 2)), 6, axis=0) + chance.normal(0, 2, (180, 2))
            for _ in range(2)
        ]
        drawn = groups if by_group else np.arange(180)
        result = compare(
            true + errors[0], true + errors[1], true=true, groups=drawn, n_resamples=400
        )
        found += result.p_value < 0.05
    return found / n


def test_equally_good_models_are_rarely_called_different_unless_photos_are_drawn_alone():
    assert rejections(by_group=True) < 0.1
    assert rejections(by_group=False) > 0.25
