from dataclasses import replace

import numpy as np
import pytest

from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.inference.shifts import SitePrior, learn_prior
from biomass_pipeline.mil.calibration import InnerTable
from biomass_pipeline.synthetic.sites import SiteSpec
from biomass_pipeline_tests.inference.sites import CSIRO, inner_table, survey_prior

GREEN = CSIRO.components.index("Dry_Green_g")


def test_the_prior_says_how_much_groups_differ():
    prior, _ = survey_prior(SiteSpec(scale_sd=0.3, offset_sd=0.1), n_groups=300)
    scale_sd = np.sqrt(prior.covariance[:, 0, 0])
    assert scale_sd == pytest.approx(0.3, rel=0.25)
    assert np.sqrt(prior.covariance[GREEN, 1, 1]) == pytest.approx(0.1, rel=0.4)
    assert prior.noise == pytest.approx(0.25, rel=0.2)
    assert prior.n_groups == 300


def test_groups_that_do_not_differ_leave_little_to_believe_in():
    different, inner = survey_prior(n_groups=100)
    size = 0.05 * (inner.components.mean(axis=0) + inner.components)
    error = size * np.random.default_rng(1).normal(size=size.shape)
    right = replace(inner, y=CSIRO.sums(inner.components + error))
    alike = learn_prior([right], targets=CSIRO)
    assert (np.sqrt(alike.covariance[:, 0, 0]) < 0.06).all()
    assert (different.covariance[:, 0, 0] > 10 * alike.covariance[:, 0, 0]).all()


def test_few_groups_do_not_claim_that_no_site_differs():
    one, _ = survey_prior(SiteSpec().unshifted(), n_groups=1)
    four, _ = survey_prior(SiteSpec().unshifted(), n_groups=4)
    assert (np.sqrt(one.covariance[:, 0, 0]) > 0.1).all()
    assert (np.sqrt(four.covariance[:, 0, 0]) > 0.05).all()


def test_a_photo_that_several_folds_predicted_counts_once_by_its_mean():
    _, inner = survey_prior()
    shift = np.where(np.arange(len(inner.y)) % 2, 0.25, -0.25)[:, None] * (inner.components > 1)
    tables = [replace(inner, components=inner.components + sign * shift) for sign in (1, -1)]
    twice, once = learn_prior(tables, targets=CSIRO), learn_prior([inner], targets=CSIRO)
    np.testing.assert_allclose(twice.covariance, once.covariance)
    np.testing.assert_allclose(twice.noise, once.noise)


def test_errors_that_go_together_are_found():
    chance = np.random.default_rng(0)
    inner = inner_table(SiteSpec().unshifted(), n_groups=30, chance=chance)
    shared = chance.normal(size=(len(inner.y), 1))
    components = np.full((len(inner.y), 3), 10.0)
    y = CSIRO.sums(components + shared * np.array([1.0, -1.0, 1.0]))
    prior = learn_prior([replace(inner, y=y, components=components)], targets=CSIRO)
    own = prior.target_noise(components[:1])[0]
    dead, total = CSIRO.names.index("Dry_Dead_g"), CSIRO.names.index("Dry_Total_g")
    assert own[total, total] < 1.5 * own[dead, dead]  # not the sum of three
    found = prior.correlation
    assert np.sign(found).tolist() == [[1, -1, 1], [-1, 1, -1], [1, -1, 1]]
    assert np.linalg.eigvalsh(found).min() > 0
    assert (np.diag(found) == 1).all()


def test_a_component_that_no_group_has_is_no_obstacle():
    _, inner = survey_prior()
    components, y = inner.components.copy(), inner.y.copy()
    components[:, GREEN], y[:, CSIRO.names.index("Dry_Green_g")] = 0, 0
    prior = learn_prior([replace(inner, components=components, y=y)], targets=CSIRO)
    assert np.isfinite(prior.covariance).all()
    assert (prior.target_noise(components) > 0)[:, range(5), range(5)].all()


def test_offsets_fade_out_where_nothing_is_predicted():
    prior, _ = survey_prior()
    design = prior.design(np.array([[0.0] * 3, [0.025] * 3, [0.05] * 3, [9.0] * 3]))
    np.testing.assert_allclose(design[:, :, 1] / prior.mass, [[0] * 3, [0.5] * 3, [1] * 3, [1] * 3])


def test_without_inner_predictions_there_is_no_prior():
    none = InnerTable(np.array([], str), np.array([], str), np.empty((0, 5)), np.empty((0, 3)))
    for tables in ([], [none]):
        with pytest.raises(UndefinedScoreError, match="prior of a site's scale and offset"):
            learn_prior(tables, targets=CSIRO)


def test_a_prior_survives_its_plain_form():
    prior, _ = survey_prior()
    assert SitePrior.from_plain(prior.to_plain()).to_plain() == prior.to_plain()
    with pytest.raises(ValueError, match="expected finite numbers of shape"):
        SitePrior.from_plain(prior.to_plain() | {"mass": [1.0]})
