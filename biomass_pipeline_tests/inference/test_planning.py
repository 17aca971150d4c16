from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.inference.calibration import calibrate
from biomass_pipeline.inference.planning import NextCut, next_cuts, worth_of_more_cuts
from biomass_pipeline.synthetic.sites import SiteSpec
from biomass_pipeline_tests.inference.sites import (
    CSIRO,
    cuts_of,
    new_site,
    survey_prior,
    weighted_error,
)

PRIOR, INNER = survey_prior()
SITE, TRUTH = new_site(SiteSpec(n_photos=40), INNER, chance=np.random.default_rng(5))
LOOKS = np.random.default_rng(6).normal(size=(40, 30))


def site_of(n):
    return calibrate(SITE, cuts_of(SITE, TRUTH, range(n)), prior=PRIOR)


@given(n_cuts=st.integers(0, 40), n=st.integers(0, 50))
def test_as_many_photos_as_asked_none_twice_and_none_that_was_cut(n_cuts, n):
    site = site_of(n_cuts)
    names = [cut.image_id for cut in next_cuts(SITE, LOOKS, n, site=site)]
    assert len(names) == len(set(names)) == min(n, 40 - n_cuts)
    assert not {*names} & {*site.cuts.image_ids}


def test_a_longer_plan_begins_like_a_shorter_one():
    site = site_of(3)
    assert next_cuts(SITE, LOOKS, 8, site=site)[:3] == next_cuts(SITE, LOOKS, 3, site=site)


def test_of_photos_that_tell_alike_the_unlike_one_is_taken():
    looks = LOOKS.copy()
    looks[:] = looks[0]
    looks[7] += 5
    assert next_cuts(SITE, looks, 1, site=site_of(3))[0].image_id == SITE.image_ids[7]


def test_of_photos_that_look_alike_the_telling_one_is_taken():
    chosen = next_cuts(SITE, np.zeros((40, 4)), 1, site=site_of(0))[0]
    light = np.argsort(SITE.y[:, -1])[:10]
    assert chosen.image_id not in {SITE.image_ids[row] for row in light}
    assert 0 < chosen.gain < 1


def test_what_a_photo_tells_shrinks_as_others_are_chosen():
    chosen = next_cuts(SITE, np.zeros((40, 4)), 10, site=site_of(0))
    assert np.diff([cut.gain for cut in chosen]).max() < 0


def test_planned_cuts_teach_more_than_those_at_hand():
    """Of the first photos of the folder, against the chosen ones, over sites."""
    planned, taken = [], []
    for seed in range(20):
        site, _ = new_site(SiteSpec(), INNER, chance=np.random.default_rng([seed, 2]))
        looks = np.random.default_rng([seed, 3]).normal(size=(60, 8))
        none = calibrate(site, cuts_of(site, site.y, []), prior=PRIOR)
        names = [cut.image_id for cut in next_cuts(site, looks, 5, site=none)]
        rows = [site.image_ids.index(name) for name in names]
        for found, chosen in ((planned, rows), (taken, range(5))):
            fitted = calibrate(site, cuts_of(site, site.y, chosen), prior=PRIOR)
            found.append(fitted.variance(site.components)[:, -1].mean())
    assert np.mean(planned) < 0.9 * np.mean(taken)


def test_more_cuts_are_expected_to_bring_less_and_less():
    site = site_of(3)
    outlook = worth_of_more_cuts(SITE, next_cuts(SITE, LOOKS, 12, site=site), site=site)
    assert len(outlook.expected) == 11
    assert outlook.n_cuts == 3
    assert np.diff(outlook.expected).max() < 0
    assert outlook.expected[0] - outlook.expected[5] > outlook.expected[5] - outlook.expected[10]


def test_a_site_hardly_known_is_worth_more_cuts_and_a_known_one_is_not():
    unknown, known = (
        worth_of_more_cuts(SITE, next_cuts(SITE, LOOKS, 10, site=site), site=site)
        for site in (site_of(0), site_of(30))
    )
    assert unknown.sentence.startswith("More cuts are worth it: 10 more cut(s) are expected")
    assert "half of that comes with the first" in unknown.sentence
    assert known.sentence.startswith("More cuts are hardly worth it: 10 more cut(s)")


def test_where_every_photo_is_cut_nothing_is_left_to_plan():
    site = site_of(40)
    outlook = worth_of_more_cuts(SITE, next_cuts(SITE, LOOKS, 5, site=site), site=site)
    assert outlook.sentence == "There is no photo left to cut."
    assert outlook.gain == 0


def test_the_last_photos_are_planned_for_themselves():
    chosen = [NextCut(name, 0.1, 1.0) for name in SITE.image_ids[30:]]
    outlook = worth_of_more_cuts(SITE, chosen, site=site_of(30))
    assert outlook.expected[-1] < outlook.expected[0]


def test_the_expected_error_is_what_comes_out():
    """Over sites drawn as the survey's groups were, after five cuts."""
    promised, kept = [], []
    for seed in range(100):
        chance = np.random.default_rng([seed, 4])
        site, truth = new_site(SiteSpec(), INNER, chance=chance)
        fitted = calibrate(site, cuts_of(site, truth, range(5)), prior=PRIOR)
        rest = site.components[5:]
        promised.append(fitted.expected_error(rest) ** 2)
        kept.append(weighted_error(CSIRO.sums(fitted.points(rest)), truth[5:]) ** 2)
    assert np.sqrt(np.mean(promised)) == pytest.approx(np.sqrt(np.mean(kept)), rel=0.15)


def test_photos_that_are_all_alike_are_taken_once_each_and_tell_less_and_less():
    alike = replace(SITE, components=np.tile(SITE.components[:1] + 5, (40, 1)))
    none = calibrate(alike, cuts_of(alike, TRUTH, []), prior=PRIOR)
    chosen = next_cuts(alike, np.zeros((40, 4)), 5, site=none)
    assert len({cut.image_id for cut in chosen}) == 5
    gains = [cut.gain for cut in chosen]
    assert (np.diff(gains) < -1e-6).all()
