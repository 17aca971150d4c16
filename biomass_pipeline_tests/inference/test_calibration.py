from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from biomass_pipeline.config import DataConfig
from biomass_pipeline.errors import UnknownCutsError
from biomass_pipeline.inference.calibration import calibrate
from biomass_pipeline.inference.combining import EnsemblePrediction
from biomass_pipeline.mil.predictive import predictive_of
from biomass_pipeline.scoring import ErrorVariance
from biomass_pipeline.synthetic.sites import SiteSpec
from biomass_pipeline_tests.inference.sites import CSIRO, SPEC, cuts_of, new_site, survey_prior

PRIOR, INNER = survey_prior()
SITE, TRUTH = new_site(SiteSpec(n_photos=20), INNER, chance=np.random.default_rng(5))
NOTHING = pd.DataFrame({"image_id": pd.Series([], dtype=str)})
# Masses of five cuts, some of them not weighed.
WEIGHED = arrays(float, (5, 3), elements=st.floats(0, 200))
SOME = arrays(bool, (5, 5))


def drawn_cuts(components, weighed):
    y = np.where(weighed, CSIRO.sums(components), np.nan)
    return pd.DataFrame(y, columns=list(CSIRO.names)).assign(image_id=SITE.image_ids[:5])


def identities_hold(y):
    column = dict(zip(CSIRO.names, np.moveaxis(y, -1, 0), strict=True))
    for total, parts in DataConfig().identities.items():
        np.testing.assert_allclose(column[total], sum(column[part] for part in parts), atol=1e-9)


def predictions(components):
    names = tuple(f"n{row:04d}" for row in range(len(components)))
    return predictive_of(names, components, inner=INNER, targets=CSIRO, spec=SPEC)


def test_without_cuts_nothing_changes():
    site = calibrate(SITE, NOTHING, prior=PRIOR)
    assert site.apply(SITE) is SITE
    np.testing.assert_array_equal(site.scale, 1.0)
    np.testing.assert_array_equal(site.offset, 0.0)
    np.testing.assert_allclose(site.covariance, PRIOR.joint_covariance())


def test_cuts_of_which_nothing_was_weighed_change_nothing():
    empty = cuts_of(SITE, np.full_like(TRUTH, np.nan), range(4))
    found = calibrate(SITE, empty, prior=PRIOR).apply(SITE)
    for name in ("components", "lower", "upper", "draws"):
        np.testing.assert_allclose(getattr(found, name), getattr(SITE, name), atol=1e-9)


@given(components=WEIGHED, weighed=SOME)
def test_masses_stay_masses_and_sums_add_up(components, weighed):
    found = calibrate(SITE, drawn_cuts(components, weighed), prior=PRIOR).apply(SITE)
    identities_hold(found.y)
    identities_hold(found.draws)
    assert found.components.min() >= 0
    assert found.draws.min() >= 0
    assert found.lower.min() >= 0
    assert ((found.lower <= found.y + 1e-9) & (found.y <= found.upper + 1e-9)).all()
    assert (np.diff(found.lower, axis=0) <= 1e-9).all()
    assert (np.diff(found.upper, axis=0) >= -1e-9).all()


@given(components=WEIGHED, weighed=SOME, low=st.floats(0, 100), more=st.floats(0, 100))
def test_a_heavier_prediction_stays_the_heavier_one(components, weighed, low, more):
    site = calibrate(SITE, drawn_cuts(components, weighed), prior=PRIOR)
    less, greater = site.points(np.array([[low] * 3, [low + more] * 3]))
    assert (less <= greater + 1e-9).all()


@given(components=WEIGHED, weighed=SOME, order=st.permutations(range(5)))
def test_the_order_of_cuts_does_not_matter(components, weighed, order):
    cuts = drawn_cuts(components, weighed)
    one = calibrate(SITE, cuts, prior=PRIOR)
    other = calibrate(SITE, cuts.iloc[list(order)], prior=PRIOR)
    np.testing.assert_array_equal(one.shift, other.shift)
    np.testing.assert_array_equal(one.covariance, other.covariance)


@given(components=WEIGHED, weighed=SOME, n=st.integers(0, 4))
def test_no_further_cut_makes_the_site_less_certain(components, weighed, n):
    cuts = drawn_cuts(components, weighed)
    fewer = calibrate(SITE, cuts.iloc[:n], prior=PRIOR)
    more = calibrate(SITE, cuts.iloc[: n + 1], prior=PRIOR)
    assert np.linalg.eigvalsh(fewer.covariance - more.covariance).min() > -1e-9
    before, after = (site.variance(SITE.components) for site in (fewer, more))
    assert (after <= before * (1 + 1e-9) + 1e-9).all()


@settings(max_examples=10)
@given(scale=st.floats(0.5, 2.0))
def test_many_exact_cuts_recover_a_pure_scale(scale):
    components = np.random.default_rng(0).gamma(2, 15, (3000, 3)) + 1
    found = predictions(components)
    cuts = cuts_of(found, CSIRO.sums(scale * components), range(3000))
    site = calibrate(found, cuts, prior=PRIOR)
    assert site.scale == pytest.approx(scale, rel=0.03)
    np.testing.assert_allclose(site.points(components), scale * components, rtol=0.05, atol=0.5)


def test_exact_cuts_of_a_right_model_change_no_point():
    site = calibrate(SITE, cuts_of(SITE, SITE.y, range(20)), prior=PRIOR)
    np.testing.assert_allclose(site.points(SITE.components), SITE.components, atol=1e-9)
    assert (np.diag(site.covariance) < np.diag(PRIOR.joint_covariance())).all()


def test_what_a_site_never_has_stays_zero():
    clover = CSIRO.components.index("Dry_Clover_g")
    components = SITE.components.copy()
    components[:, clover] = 0
    barren = predictions(components)
    truth = CSIRO.sums(1.5 * components + 3.0 * (components > 0))
    found = calibrate(barren, cuts_of(barren, truth, range(10)), prior=PRIOR).apply(barren)
    assert (found.components[:, clover] == 0).all()
    assert found.y[:, CSIRO.names.index("Dry_Total_g")].mean() > barren.y[:, -1].mean()


def test_absent_draws_stay_absent_and_present_ones_move():
    cuts = cuts_of(SITE, 2 * SITE.y, range(20))
    found = calibrate(SITE, cuts, prior=PRIOR).apply(SITE)
    columns = list(CSIRO.component_columns)
    absent = SITE.draws[:, :, columns] == 0
    assert absent.any()
    assert (found.draws[:, :, columns][absent] == 0).all()
    assert found.draws[:, :, columns].mean() > 1.5 * SITE.draws[:, :, columns].mean()


def test_cuts_narrow_intervals_and_draws():
    widths, spreads = [], []
    for n in (0, 3, 20):
        site = calibrate(SITE, cuts_of(SITE, SITE.y, range(n)), prior=PRIOR)
        found = site.apply(SITE)
        widths.append((found.upper - found.y)[-1, :, -1].mean())
        spreads.append(found.draws[:, :, -1].std(axis=0).mean())
    assert widths[0] > widths[1] > widths[2] > 0.5 * widths[0]
    assert spreads[0] > spreads[1] > spreads[2]


def test_sums_that_follow_from_parts_add_nothing():
    whole = calibrate(SITE, cuts_of(SITE, TRUTH, range(6)), prior=PRIOR)
    parts = calibrate(SITE, cuts_of(SITE, TRUTH, range(6), CSIRO.components), prior=PRIOR)
    np.testing.assert_array_equal(whole.shift, parts.shift)
    solved = cuts_of(SITE, TRUTH, range(6), ["Dry_Total_g", "GDM_g", "Dry_Green_g"])
    np.testing.assert_allclose(calibrate(SITE, solved, prior=PRIOR).shift, whole.shift, atol=1e-8)


def test_a_total_alone_moves_the_total_and_says_less_than_all_parts():
    heavy = 1.6 * SITE.y
    total = calibrate(SITE, cuts_of(SITE, heavy, range(20), ["Dry_Total_g"]), prior=PRIOR)
    parts = calibrate(SITE, cuts_of(SITE, heavy, range(20)), prior=PRIOR)
    moved = total.apply(SITE).y[:, -1].sum() / SITE.y[:, -1].sum()
    assert 1.35 < moved < 1.7
    assert np.linalg.eigvalsh(total.covariance - parts.covariance).min() > -1e-12
    assert (
        total.variance(SITE.components)[:, 0].mean() > parts.variance(SITE.components)[:, 0].mean()
    )


def test_what_sessions_share_shrinks_with_the_cuts_and_nothing_else_of_the_ensemble_moves():
    unknown = ErrorVariance(float("nan"), float("nan"))
    variance = (ErrorVariance(4.0, 9.0),) * 4 + (unknown,)
    before = EnsemblePrediction(SITE, np.arange(20.0), np.ones((20, 5)), variance)
    site = calibrate(SITE, cuts_of(SITE, SITE.y, range(10)), prior=PRIOR)
    after = site.apply_ensemble(before)
    assert 0 < after.variance[0].between < 2
    assert after.variance[0].within == pytest.approx(9)
    assert np.isnan(after.variance[4].between)
    assert after.novelty is before.novelty
    np.testing.assert_array_equal(after.predictive.y, site.apply(SITE).y)
    none = calibrate(SITE, NOTHING, prior=PRIOR)
    assert none.apply_ensemble(before) is before


def test_a_cut_of_a_photo_that_was_not_predicted_is_refused():
    strange = cuts_of(SITE, TRUTH, range(3)).assign(image_id=["p000", "elsewhere", "p002"])
    with pytest.raises(UnknownCutsError, match=r"1 cut.*20 predicted ones: elsewhere"):
        calibrate(SITE, strange, prior=PRIOR)


def test_targets_without_identities_are_calibrated_one_by_one():
    alone = CSIRO.independent()
    inner = replace(INNER, components=INNER.y)
    from biomass_pipeline.inference.shifts import learn_prior  # noqa: PLC0415  # beside its use

    found = predictive_of(SITE.image_ids, SITE.y, inner=inner, targets=alone, spec=SPEC)
    prior = learn_prior([inner], targets=alone)
    site = calibrate(found, cuts_of(found, 1.5 * SITE.y, range(20), ["GDM_g"]), prior=prior)
    assert site.scale[CSIRO.names.index("GDM_g")] > 1.2
    np.testing.assert_array_equal(np.delete(site.scale, CSIRO.names.index("GDM_g")), 1.0)
