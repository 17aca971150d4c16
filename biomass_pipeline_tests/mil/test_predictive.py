from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from biomass_pipeline.config import DataConfig, EvaluationConfig
from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.mil.calibration import InnerTable
from biomass_pipeline.mil.predictive import (
    PredictionSpec,
    copula_draws,
    predictive_of,
    residual_draws,
)
from biomass_pipeline.mil.targets import TargetSpec
from biomass_pipeline.scoring import crps_of_draws, group_weights, pit_histogram, pit_of_draws

CSIRO = TargetSpec.from_config(DataConfig())
SPEC = PredictionSpec.from_config(EvaluationConfig())
PHOTOS = np.array([[1.0, 2.0, 3.0], [0.0, 10.0, 40.0]])


def inner_of(errors, *, predicted=20.0, groups=None, ranks=None):
    """Photos predicted alike and missed by the given errors, shape (row, component)."""
    errors = np.asarray(errors, dtype=float)
    components = np.broadcast_to(np.asarray(predicted, dtype=float), errors.shape).copy()
    rows = np.arange(len(errors))
    return InnerTable(
        image_ids=np.array([f"photo{row}" for row in rows]),
        groups=np.array([f"g{row}" for row in rows]) if groups is None else np.array(groups),
        y=CSIRO.sums(components + errors),
        components=components,
        ranks=ranks,
    )


NOISE = inner_of(np.random.default_rng(0).normal(size=(30, 3)))


def predict(components=PHOTOS, *, inner=NOISE, spec=SPEC, **options):
    names = tuple(f"new{row}" for row in range(len(components)))
    return predictive_of(names, components, inner=inner, targets=CSIRO, spec=spec, **options)


def identities_hold(y):
    column = dict(zip(CSIRO.names, np.moveaxis(y, -1, 0), strict=True))
    for total, parts in DataConfig().identities.items():
        np.testing.assert_allclose(column[total], sum(column[part] for part in parts), atol=1e-9)


@given(components=arrays(float, (3, 3), elements=st.floats(0, 200)))
def test_every_draw_adds_up_and_no_mass_is_negative(components):
    found = predict(components)
    identities_hold(found.draws)
    identities_hold(found.y)
    assert found.draws.shape == (200, 3, 5)
    assert found.draws.min() >= 0
    assert found.lower.min() >= 0


@given(components=arrays(float, (3, 3), elements=st.floats(0, 200)))
def test_a_wider_level_holds_the_narrower_one_and_the_point(components):
    found = predict(components)
    assert (np.diff(found.lower, axis=0) <= 0).all()
    assert (np.diff(found.upper, axis=0) >= 0).all()
    assert ((found.lower <= found.y) & (found.y <= found.upper)).all()


def test_a_photos_prediction_does_not_depend_on_its_company():
    together, alone = predict(PHOTOS), predict(PHOTOS[1:])
    np.testing.assert_array_equal(together.draws[:, 1:], alone.draws)
    np.testing.assert_array_equal(together.upper[:, 1:], alone.upper)


def test_the_seed_decides_the_draws():
    np.testing.assert_array_equal(predict().draws, predict().draws)
    assert (predict(spec=replace(SPEC, seed=1)).draws != predict().draws).any()


def test_parts_that_err_against_each_other_leave_their_sum_alone():
    error = np.random.default_rng(1).normal(size=(40, 1))
    green, clover = CSIRO.components.index("Dry_Green_g"), CSIRO.components.index("Dry_Clover_g")
    opposed = np.zeros((40, 3))
    opposed[:, [green]], opposed[:, [clover]] = error, -error
    found = predict(np.full((1, 3), 20.0), inner=inner_of(opposed))
    width = dict(zip(CSIRO.names, (found.upper - found.lower)[-1, 0], strict=True))
    spread = dict(zip(CSIRO.names, np.ptp(found.draws, axis=0)[0], strict=True))
    for values in (width, spread):
        assert values["Dry_Green_g"] > 1
        assert values["GDM_g"] == pytest.approx(0, abs=1e-9)


def test_draws_are_whole_rows_of_inner_errors():
    errors = np.random.default_rng(2).normal(size=(30, 3))
    draws = residual_draws(np.full((1, 3), 20.0), inner_of(errors), targets=CSIRO, spec=SPEC)
    distance = np.abs((draws - 20.0) - errors).sum(axis=-1)
    assert distance.min(axis=1) == pytest.approx(0, abs=1e-9)
    assert len(np.unique(distance.argmin(axis=1))) == 30


def test_groups_weigh_alike_in_draws():
    errors = np.repeat([[1.0], [-1.0]], [38, 2], axis=0) * np.ones(3)
    inner = inner_of(errors, groups=["many"] * 38 + ["few"] * 2)
    draws = residual_draws(np.full((1, 3), 20.0), inner, targets=CSIRO, spec=SPEC)
    assert (draws > 20).mean() == pytest.approx(0.5, abs=0.02)


def test_too_few_groups_for_a_level_leave_its_bounds_unknown():
    found = predict(inner=inner_of(np.ones((5, 3))))  # five groups promise at most .83
    assert found.levels == (0.5, 0.8, 0.9)
    assert np.isnan(found.lower[2]).all()
    assert np.isnan(found.upper[2]).all()
    assert np.isfinite(found.upper[:2]).all()
    frame = found.frame()
    assert frame["y_upper"].isna().all()
    assert frame["y_upper_80"].notna().all()


def test_the_spec_follows_the_configuration():
    spec = PredictionSpec.from_config(
        EvaluationConfig(interval_level=0.7, inner_levels=(0.95,), conformal="one_per_group")
    )
    assert (spec.levels, spec.headline, spec.conformal) == ((0.7, 0.95), 0.7, "one_per_group")
    assert spec.n_draws == 200


@pytest.mark.parametrize("conformal", ["pooled", "one_per_group"])
def test_a_group_counts_once_in_the_intervals(conformal):
    errors = np.random.default_rng(8).normal(size=(20, 3))
    often = np.concatenate([errors, np.repeat(errors[:1], 80, axis=0)])
    names = [f"g{row}" for row in range(20)]
    spec = replace(SPEC, conformal=conformal)
    once = predict(inner=inner_of(errors, groups=names), spec=spec)
    again = predict(inner=inner_of(often, groups=names + names[:1] * 80), spec=spec)
    np.testing.assert_allclose(again.upper, once.upper)


def test_intervals_grow_with_the_mass_where_errors_do():
    chance = np.random.default_rng(9)
    predicted = chance.gamma(2, 20, (400, 3))
    light, heavy = np.full((1, 3), 5.0), np.full((1, 3), 100.0)
    for errors, grows in ((0.2 * (40 + predicted), True), (np.full((400, 3), 8.0), False)):
        inner = inner_of(errors * chance.laplace(size=(400, 3)), predicted=predicted)
        low, high = (predict(masses, inner=inner) for masses in (light, heavy))
        ratio = (high.upper - high.y) / (low.upper - low.y)
        assert (ratio > 2).all() if grows else ratio == pytest.approx(1)


def test_one_residual_a_group_is_another_interval():
    errors = np.random.default_rng(3).normal(size=(120, 3))
    inner = inner_of(errors, groups=[f"g{row % 30}" for row in range(120)])
    pooled = predict(inner=inner)
    single = predict(inner=inner, spec=replace(SPEC, conformal="one_per_group"))
    assert (pooled.upper != single.upper).any()
    np.testing.assert_allclose(pooled.upper, single.upper, rtol=0.2)
    np.testing.assert_array_equal(
        single.upper, predict(inner=inner, spec=replace(SPEC, conformal="one_per_group")).upper
    )


def test_the_frame_is_tidy():
    found = predict()
    frame = found.frame()
    assert list(frame.columns) == [
        *("image_id", "target", "y_pred", "y_lower", "y_upper"),
        *("y_lower_50", "y_upper_50", "y_lower_80", "y_upper_80", "p_zero"),
    ]
    assert frame["image_id"].tolist() == ["new0"] * 5 + ["new1"] * 5
    assert frame["target"].tolist() == list(CSIRO.names) * 2
    total = frame.set_index(["image_id", "target"]).loc[("new1", "Dry_Total_g")]
    assert total["y_pred"] == 50
    place = CSIRO.names.index("Dry_Total_g")
    assert total["y_upper"] == found.upper[2, 1, place]
    assert total["y_lower_50"] == found.lower[0, 1, place]


def test_a_headline_in_the_middle_keeps_its_plain_name():
    frame = predict(spec=replace(SPEC, headline=0.8)).frame()
    assert list(frame.columns[3:9]) == [
        *("y_lower", "y_upper", "y_lower_50", "y_upper_50", "y_lower_90", "y_upper_90")
    ]


def test_draws_below_the_detection_limit_are_zeros():
    limits = dict(zip(CSIRO.names, CSIRO.detection_limits, strict=True))
    assert set(limits.values()) == {0.05}
    draws = np.array([0.0, 0.04, 0.05, 3.0])[:, None, None] * np.ones((1, 1, 3))
    found = predict(PHOTOS[:1], draws=draws)
    p_zero = dict(zip(CSIRO.names, found.p_zero[0], strict=True))
    assert p_zero["Dry_Green_g"] == 0.5
    assert p_zero["Dry_Total_g"] == 0.25  # three times .04 g is found
    assert found.frame()["p_zero"].tolist() == list(p_zero.values())


def test_a_models_own_draws_are_used_and_added_up():
    draws = np.random.default_rng(4).normal(size=(7, 2, 3))
    found = predict(draws=draws)
    np.testing.assert_allclose(found.draws, CSIRO.sums(np.maximum(draws, 0)))
    np.testing.assert_array_equal(found.upper, predict().upper)


def test_nothing_to_calibrate_on_is_an_error():
    with pytest.raises(UndefinedScoreError, match="no inner prediction"):
        predict(inner=inner_of(np.empty((0, 3))))


# Errors that grow with the mass, in 30 groups; the last column of photos is not learnt from.


def survey(chance, *, power, n_groups=60):
    groups = np.repeat(np.arange(n_groups), chance.integers(1, 12, n_groups))
    components = np.exp(chance.normal(2, 0.8, (len(groups), 3)))
    size = 0.35 * (8 + components) ** power * 8 ** (1 - power)
    shared = chance.normal(size=(n_groups, 3))[groups]
    error = 0.7 * shared + 0.7 * chance.laplace(size=components.shape)
    y = CSIRO.sums(np.maximum(components + size * error, 0.0))
    names = np.array([f"g{group}" for group in groups])
    return InnerTable(names, names, y, components), groups >= n_groups // 2


def scores(power):
    """CRPS, and how uneven the PIT of heavy photos is, of grown errors and of one size."""
    chance = np.random.default_rng(5)
    crps, pit = [], []
    for _ in range(12):
        whole, new = survey(chance, power=power)
        inner, fresh = (
            InnerTable(whole.groups[i], whole.groups[i], whole.y[i], whole.components[i])
            for i in (~new, new)
        )
        rows = chance.choice(len(inner.y), 200, p=group_weights(inner.groups))
        plain = inner.component_residuals(CSIRO)[rows][:, None] + fresh.components
        grown = residual_draws(fresh.components, inner, targets=CSIRO, spec=SPEC)
        draws = [CSIRO.sums(np.maximum(one, 0)) for one in (grown, plain)]
        crps.append([crps_of_draws(one, fresh.y).mean() for one in draws])
        heavy = CSIRO.sums(fresh.components) > 2 * whole.y.mean(axis=0)
        pit.append([pit_of_draws(one, fresh.y, chance=chance)[heavy] for one in draws])
    uneven = [
        np.abs(pit_histogram(np.concatenate(column)) - 0.1).sum()
        for column in zip(*pit, strict=True)
    ]
    return np.mean(crps, axis=0), uneven


def test_errors_that_grow_with_the_mass_are_drawn_so():
    (grown, plain), (grown_pit, plain_pit) = scores(power=1.0)
    assert grown < 0.98 * plain
    assert grown_pit < 0.6 * plain_pit


def test_errors_of_one_size_are_drawn_as_well_as_before():
    (grown, plain), (grown_pit, plain_pit) = scores(power=0.0)
    assert grown < 1.005 * plain
    assert grown_pit < plain_pit + 0.05


# The residual copula.


def ranked(ranks, groups=None):
    ranks = np.asarray(ranks, dtype=float)
    return inner_of(np.zeros((len(ranks), 3)), ranks=ranks, groups=groups)


def levels(inner, *, n_photos=2, n_draws=2000, seed=0):
    """The uniform vectors themselves, shape (draw, photo, component)."""
    spec = replace(SPEC, n_draws=n_draws, seed=seed)
    return copula_draws(lambda u: u, inner, n_photos=n_photos, spec=spec)


def even_ranks(n=50):
    chance = np.random.default_rng(6)
    place = (np.arange(n) + 0.5) / n
    return np.stack([place, 1 - place, chance.permutation(place)], axis=1)


def test_components_keep_the_joint_order_of_their_ranks():
    u = levels(ranked(even_ranks()))[:, 0]
    found = stats.spearmanr(u).statistic
    assert found[0, 1] < -0.99
    assert found[0, 2] == pytest.approx(stats.spearmanr(even_ranks()).statistic[0, 2], abs=0.05)


def test_even_ranks_give_even_levels_without_steps():
    u = levels(ranked(even_ranks()))
    assert u.shape == (2000, 2, 3)
    assert 0 < u.min() < 0.005
    assert 0.995 < u.max() < 1
    for column in range(3):
        assert stats.kstest(u[:, 0, column], "uniform").statistic < 0.03
        assert len(np.unique(u[:, 0, column])) > 1000


def test_ranks_that_crowd_at_the_ends_widen_the_draws():
    u = levels(ranked(stats.beta.ppf(even_ranks(200), 0.4, 0.4)))[:, 0, 0]
    assert np.mean((u < 0.1) | (u > 0.9)) > 0.35


def test_all_photos_share_their_ranks():
    u = levels(ranked(even_ranks()), n_photos=3)
    np.testing.assert_array_equal(u[:, 0], u[:, 2])
    np.testing.assert_array_equal(u[:, :1], levels(ranked(even_ranks()), n_photos=1))


def test_groups_weigh_alike_in_the_copula():
    ranks = np.repeat([0.9, 0.1], [380, 20])[:, None] * np.ones(3)
    u = levels(ranked(ranks, groups=["many"] * 380 + ["few"] * 20))
    assert (u > 0.5).mean() == pytest.approx(0.5, abs=0.03)


def test_draws_go_through_each_components_quantile_function():
    scale = np.array([1.0, 10.0, 100.0])
    spec = replace(SPEC, n_draws=4000)
    draws = copula_draws(
        lambda u: scale * stats.expon.ppf(u), ranked(even_ranks()), n_photos=1, spec=spec
    )
    np.testing.assert_allclose(draws.mean(axis=(0, 1)), scale, rtol=0.05)


def test_sums_of_opposed_components_are_narrow_and_of_independent_ones_too_wide():
    inner = ranked(even_ranks())
    joint = levels(inner)[:, 0]
    chance = np.random.default_rng(7)
    apart = chance.permuted(joint, axis=0)
    assert (joint[:, 0] + joint[:, 1]).std() < 0.1 * (apart[:, 0] + apart[:, 1]).std()


def test_points_have_no_ranks_to_draw_by():
    with pytest.raises(UndefinedScoreError, match="predicts points, not distributions"):
        levels(NOISE)
