"""The promise of a few cuts, kept on average over drawn sites with a known shift."""

import numpy as np
import pytest

from biomass_pipeline.inference.calibration import calibrate
from biomass_pipeline.synthetic.sites import SiteSpec
from biomass_pipeline_tests.inference.sites import (
    CSIRO,
    cuts_of,
    new_site,
    survey_prior,
    weighted_error,
)

N_SITES, CUTS = 50, (3, 5, 10, 30)
SHIFTED, ALIKE = SiteSpec(), SiteSpec().unshifted()


def errors_by_cuts(survey, sites):
    """Mean weighted error over sites by number of cuts, on photos that were never cut; 0 first."""
    found = []
    for number in range(N_SITES):
        if number % 10 == 0:
            prior, inner = survey_prior(survey, seed=number)
        chance = np.random.default_rng([number, 1])
        site, truth = new_site(sites, inner, chance=chance)
        kept = slice(max(CUTS), None)
        line = [weighted_error(site.y[kept], truth[kept])]
        for n in CUTS:
            fitted = calibrate(site, cuts_of(site, truth, range(n)), prior=prior)
            y = CSIRO.sums(fitted.points(site.components))
            line.append(weighted_error(y[kept], truth[kept]))
        found.append(line)
    return np.mean(found, axis=0)


def test_on_shifted_sites_the_error_falls_with_every_few_cuts():
    errors = errors_by_cuts(SHIFTED, SHIFTED)
    assert (np.diff(errors) < 0).all()
    assert errors[-1] < 0.92 * errors[0]


@pytest.mark.parametrize(
    ("survey", "sites"),
    [(ALIKE, ALIKE), (SHIFTED, ALIKE), (ALIKE, SHIFTED), (SHIFTED, SHIFTED)],
    ids=["none-differs", "only-the-survey-differs", "only-the-site-differs", "all-differ"],
)
def test_three_cuts_never_cost_more_than_five_per_cent(survey, sites):
    errors = errors_by_cuts(survey, sites)
    assert (errors[1:] <= 1.05 * errors[0]).all()


def test_sites_far_from_anything_surveyed_gain_most():
    errors = errors_by_cuts(SHIFTED, SiteSpec(scale_sd=0.6, offset_sd=0.3))
    assert (np.diff(errors) < 0).all()
    assert errors[-1] < 0.7 * errors[0]
