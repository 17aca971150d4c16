import numpy as np
import pytest

from biomass_pipeline.scoring import bootstrap_weighted_r2, weighted_r2

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
