import json

import numpy as np
import pytest

from biomass_pipeline.errors import UnknownCutsError
from biomass_pipeline.inference.calibration import calibrate
from biomass_pipeline.inference.cross_check import CrossCheck, cross_check
from biomass_pipeline.inference.weighing import Weighing
from biomass_pipeline.synthetic.sites import SiteSpec
from biomass_pipeline_tests.inference.sites import (
    CSIRO,
    WEIGHTS,
    cuts_of,
    new_site,
    survey_prior,
    weighted_error,
)

PRIOR, INNER = survey_prior()
SITE, TRUTH = new_site(SiteSpec(n_photos=20), INNER, chance=np.random.default_rng(5))


def checked(y, rows, columns=None):
    cuts = Weighing.from_frame(cuts_of(SITE, y, rows, columns), CSIRO)
    return cross_check(SITE, cuts, prior=PRIOR)


def test_each_cut_is_predicted_by_the_others_alone():
    found = checked(TRUTH, range(6))
    by_hand = [
        calibrate(SITE, cuts_of(SITE, TRUTH, set(range(6)) - {i}), prior=PRIOR).apply(SITE).y[i]
        for i in range(6)
    ]
    assert found.weighted_after == pytest.approx(weighted_error(np.array(by_hand), TRUTH[:6]))
    assert found.weighted_before == pytest.approx(weighted_error(SITE.y[:6], TRUTH[:6]))
    assert found.targets == CSIRO.names
    expected = np.sqrt(((np.array(by_hand) - TRUTH[:6]) ** 2).mean(axis=0))
    np.testing.assert_allclose(found.after, expected)
    assert found.weighted_after == pytest.approx(np.sqrt(expected**2 @ WEIGHTS))


def test_a_clear_shift_is_worth_using():
    found = checked(1.8 * SITE.y, range(10))
    assert found.change < -0.3
    assert found.recommended
    assert found.sentence.startswith("Use it: leaving each cut out in turn, the weighted error")


def test_a_model_that_is_right_needs_no_calibration():
    found = checked(SITE.y, range(10))
    assert (found.weighted_before, found.weighted_after) == (0, 0)
    assert found.sentence.startswith("It changes little and does no harm")


def test_cuts_that_contradict_each_other_advise_against_it():
    found = CrossCheck(("Dry_Total_g",), (3,), (10.0,), (12.0,), 10.0, 12.0)
    assert not found.recommended
    assert found.sentence.startswith("Do not use it:")
    assert "from 10 to 12 (+20%)" in found.sentence


def test_only_what_was_weighed_is_compared():
    found = checked(TRUTH, range(5), ["Dry_Total_g", "GDM_g"])
    assert found.targets == ("Dry_Dead_g", "GDM_g", "Dry_Total_g")
    assert found.n_weighed == (5, 5, 5)
    error = (SITE.y - TRUTH)[:5, [1, 3, 4]]
    mean = (error**2).mean(axis=0) @ (WEIGHTS[[1, 3, 4]] / WEIGHTS[[1, 3, 4]].sum())
    assert found.weighted_before == pytest.approx(np.sqrt(mean))


def test_without_a_mass_there_is_nothing_to_compare():
    with pytest.raises(ValueError, match="at least one mass"):
        checked(np.full_like(TRUTH, np.nan), range(3))
    strange = Weighing(("q",), TRUTH[:1], CSIRO)
    with pytest.raises(UnknownCutsError):
        cross_check(SITE, strange, prior=PRIOR)


def test_its_plain_form_is_json():
    plain = json.loads(json.dumps(checked(TRUTH, range(4)).to_plain()))
    assert [line["target"] for line in plain["targets"]] == list(CSIRO.names)
    assert plain["recommended"] in (True, False)
