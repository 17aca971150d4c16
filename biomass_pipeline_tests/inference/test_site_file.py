import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomass_pipeline.errors import StrangerSiteError, UnreadableSiteError
from biomass_pipeline.inference.calibration import calibrate
from biomass_pipeline.inference.site_file import read_site, write_site
from biomass_pipeline.synthetic.sites import SiteSpec
from biomass_pipeline_tests.inference.sites import cuts_of, new_site, survey_prior

PRIOR, INNER = survey_prior()
SITE, TRUTH = new_site(SiteSpec(n_photos=20), INNER, chance=np.random.default_rng(5))
FITTED = calibrate(
    SITE, cuts_of(SITE, TRUTH, range(5), ["Dry_Total_g"]), prior=PRIOR, model="abc123"
)


@settings(max_examples=20)
@given(n=st.integers(0, 20), columns=st.sampled_from([None, ["Dry_Total_g"], ["Dry_Dead_g"]]))
def test_a_site_read_again_is_the_same_to_the_last_bit(tmp_path_factory, n, columns):
    path = tmp_path_factory.mktemp("site") / "deep" / "site.json"
    fitted = calibrate(SITE, cuts_of(SITE, TRUTH, range(n), columns), prior=PRIOR, model="m")
    write_site(fitted, path)
    again = read_site(path, model="m")
    assert again.to_plain() == fitted.to_plain()
    for name in ("components", "lower", "upper", "draws"):
        one, other = (getattr(each.apply(SITE), name) for each in (fitted, again))
        np.testing.assert_array_equal(one, other)
    assert again.cuts.image_ids == fitted.cuts.image_ids
    np.testing.assert_array_equal(again.cuts.y, fitted.cuts.y)


def test_the_file_names_its_kind_and_keeps_the_report(tmp_path):
    path = tmp_path / "site.json"
    write_site(FITTED, path, report={"sentence": "Use it."})
    plain = json.loads(path.read_text())
    assert plain["kind"] == "biomass site calibration"
    assert plain["model"] == "abc123"
    assert plain["report"]["sentence"] == "Use it."
    assert plain["cuts"][0]["weighed"].keys() == {"Dry_Total_g"}
    assert read_site(path, model="abc123").to_plain() == FITTED.to_plain()


def test_another_models_site_is_refused(tmp_path):
    write_site(FITTED, tmp_path / "site.json")
    with pytest.raises(StrangerSiteError, match="model abc123, but the predictions are by other"):
        read_site(tmp_path / "site.json", model="other")


DAMAGES = {
    "not JSON": (lambda text: text[:50], "cannot be read"),
    "another document": (lambda text: "[]", "it is no `biomass site calibration`"),
    "a later layout": (lambda text: text.replace('version": 1', 'version": 2'), "version 2, not 1"),
    "a part is missing": (lambda text: text.replace('"shift"', '"drift"'), "KeyError: 'shift'"),
    "a wrong shape": (lambda text: text.replace('"noise": [', '"noise": [1, '), "of shape"),
    "a number that is none": (lambda text: text.replace('"noise": [', '"noise": [NaN, '), "shape"),
    "a cut twice": (lambda text: text.replace("p001", "p000"), "one row a photo"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_site_is_refused_with_the_reason(tmp_path, damage):
    change, words = DAMAGES[damage]
    path = tmp_path / "site.json"
    write_site(FITTED, path)
    path.write_text(change(path.read_text()))
    with pytest.raises(UnreadableSiteError, match=words):
        read_site(path, model="abc123")


def test_a_missing_site_is_named(tmp_path):
    with pytest.raises(UnreadableSiteError, match="there is no such file"):
        read_site(tmp_path / "nothere.json", model="abc123")
    assert replace(FITTED, model="x").model == "x"
