import json
from dataclasses import replace

import numpy as np
import pytest

from biomass_pipeline.errors import CutCountError
from biomass_pipeline.inference.embedding import Workplace
from biomass_pipeline.inference.new_photos import predict_location
from biomass_pipeline.inference.own_cuts import SitePhotos, study_cuts


@pytest.fixture(scope="module")
def site_photos(meadow):
    place = Workplace(cache=meadow.cache, device="cpu")
    outcome = predict_location(str(meadow.photos), meadow.bundle, place=place)
    return SitePhotos(
        outcome.bundle,
        outcome.prediction,
        outcome.embedded.features,
        outcome.embedded.paths,
        refused={"a/broken.png": "truncated"},
        unreadable=("a/broken.png",),
    )


@pytest.fixture
def study(site_photos, tmp_path):
    def run(text, n_next=3):
        (tmp_path / "cuts.csv").write_text(text)
        return study_cuts(site_photos, "cuts.csv", n_next=n_next, base=tmp_path)

    return run


CUTS = "image_id,total_g\np01,9\np04,14\np09,30\np12,\nbroken,4\n"


def test_a_study_says_what_was_learnt_and_what_was_not_used(study, site_photos):
    found = study(CUTS)
    assert found.site.cuts.image_ids == ("a/p04", "b/p01", "b/p09")
    assert found.site.model == site_photos.bundle.fingerprint
    plain = json.loads(json.dumps(found.to_plain(), allow_nan=False))
    assert [row["component"] for row in plain["components"]] == ["green_g", "dead_g", "cover"]
    assert {row["photo"]: row["reason"] for row in plain["left_out"]} == {
        "p12": "no mass is given",
        "broken": "truncated",
    }
    assert plain["unreadable"] == [{"path": "a/broken.png", "reason": "truncated"}]
    assert len(plain["more_cuts"]["expected_errors"]) == 11


def test_proposed_photos_are_uncut_ones_by_their_paths(study, site_photos):
    found = study(CUTS, n_next=4)
    paths = [row["path"] for row in found.to_plain()["next_cuts"]]
    assert len(set(paths)) == 4
    assert set(paths) <= set(site_photos.paths.values()) - {"a/p04.png", "b/p01.png", "b/p09.png"}


def test_what_was_never_weighed_stays_the_trained_models(study):
    rows = {row["component"]: row for row in study(CUTS).components()}
    assert rows["cover"]["scale"] == 1
    assert rows["cover"]["offset"] == 0
    assert rows["green_g"]["scale_sd"] < rows["cover"]["scale_sd"]


def test_the_ensembles_own_inner_tables_are_the_prior(study, site_photos):
    prior = study(CUTS).site.prior
    assert prior.n_groups == 6
    assert np.isfinite(prior.covariance).all()


def test_two_cuts_are_too_few(study):
    with pytest.raises(CutCountError, match="2 usable"):
        study("image_id,total_g\np01,9\np04,14\n")


def test_errors_beyond_what_training_knows_are_said(study):
    wild = "image_id,total_g\np01,90\np04,1\np09,70\np12,2\n"
    (remark,) = study(wild).to_plain()["warnings"]
    assert remark.startswith("The cuts miss the calibrated predictions by")
    assert remark.endswith("count on the larger.")


def test_what_the_model_never_sees_cannot_be_mended_and_is_said(study, site_photos, tmp_path):
    found = study(CUTS)
    predictive = found.photos.prediction.predictive
    blind = replace(predictive, components=predictive.components * [0, 1, 1])
    photos = replace(site_photos, prediction=replace(site_photos.prediction, predictive=blind))
    (tmp_path / "green.csv").write_text("image_id,green_g\np01,3\np04,6\np09,11\n")
    seen = study_cuts(photos, "green.csv", n_next=1, base=tmp_path)
    assert any(text.startswith("green_g was weighed in 3 cut(s)") for text in seen.remarks())
