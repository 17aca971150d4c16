"""Photos without labels by hand: embedded once, predicted by all folds, laid out to submit."""

import base64

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.assets.inference import ensemble_of
from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import SubmissionIdsError, TooManyRefusedError
from biomass_pipeline.inference.ensemble import predict_ensemble
from biomass_pipeline.mil import PredictionSpec
from biomass_pipeline_tests.assets.conftest import build_stand, png

FOLDS = range(3)


@pytest.fixture
def farm(stand):
    """The stand with two photos that nobody weighed."""
    for number in range(2):
        stand.photos.files[f"new{number}.png"] = png(90 + 40 * number, blue=50 + number)
    return stand


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Every fold's network and ridge; they know nothing of photos without labels."""
    stand = build_stand(tmp_path_factory.mktemp("models"))
    found = {"mil_checkpoint": {}, "ridge_baseline": {}}
    for name, by_fold in found.items():
        for fold in FOLDS:
            caches = stand.caches(*(other for other in FOLDS if other != fold))
            by_fold[fold] = stand.model(name, fold, caches)
    return found["mil_checkpoint"], found["ridge_baseline"]


def predictions(farm, models):
    features = farm.inference().value
    return predict(farm, models, features, farm.manifest())


def predict(farm, models, features, manifest):
    seams = {"settings": farm.settings, "photos": farm.photos}
    return farm.asset("predictions")(*models, features, manifest, **seams)


def version(result):
    return result.data_version.value


def test_only_photos_without_labels_are_embedded_and_only_once(farm):
    result = farm.inference()
    assert result.value.load().image_ids == ("new0", "new1")
    assert result.metadata["photos"] == 2
    assert result.metadata["photos_embedded"] == 2
    assert all(check.passed for check in result.check_results)
    again = farm.inference()
    assert again.metadata["photos_embedded"] == 0
    assert version(again) == version(result)


def test_its_progress_is_told(farm):
    farm.inference()
    assert farm.bar.seen[None][-1].n_photos == 2


def test_a_label_added_later_embeds_nothing(farm):
    farm.caches(*FOLDS)
    before = farm.inference()
    n_tiles = farm.backbone.n_tiles
    farm.labels.rows["new0.png"] = ("2024-05-01", 9.0)
    farm.caches(*FOLDS)
    after = farm.inference()
    assert farm.backbone.n_tiles == n_tiles
    assert after.value.load().image_ids == ("new1",)
    assert version(after) != version(before)


def test_photos_that_are_quarantined_at_the_door_are_not_embedded(farm):
    farm.photos.files["new1.png"] = b"no photo"
    result = farm.inference()
    assert result.value.load().image_ids == ("new0",)


def test_without_such_photos_no_backbone_is_built(stand):
    stand.backbone.build = None
    result = stand.inference()
    assert result.value.load().image_ids == ()
    assert result.metadata["dagster/row_count"] == 0


def test_all_of_them_are_predicted_with_everything_a_person_asks_for(farm, models):
    result = predictions(farm, models)
    table = result.value
    assert table["image_id"].tolist() == ["new0", "new1"]
    assert set(table["target"]) == {"mass_g"}
    # 0.5 m2: a gram is 20 kg a hectare.
    assert table["kg_dm_ha"].to_numpy() == pytest.approx(20 * table["y_pred"])
    assert table["p_zero"].between(0, 1).all()
    assert table["ood_percentile"].between(0, 100).all()
    assert (table["y_upper_80"] >= table["y_upper_50"]).all()
    assert (table[["y_pred", "y_lower_50", "y_lower_80"]] >= 0).all(axis=None)
    facts = result.metadata
    assert facts["photos"] == facts["dagster/row_count"] == 2
    assert facts["not_predicted"] == 0
    assert 0 <= facts["out_of_domain_share"] <= 1
    assert facts["extraction_fingerprint"] == farm.extraction
    assert version(predictions(farm, models)) == version(result)


def test_a_small_map_shows_the_photo_with_the_most(farm, models):
    result = predictions(farm, models)
    most = result.value.set_index("image_id")["y_pred"].idxmax()
    shown = result.metadata["map"].value
    picture = shown.partition("base64,")[2].partition(")")[0]
    assert f"The photo with the most, {most}. mass_g: " in shown
    assert base64.b64decode(picture).startswith(b"\x89PNG")
    assert len(shown) < 100_000


def test_predictions_are_as_good_without_a_map(farm, models):
    manifest, features = farm.manifest(), farm.inference().value
    for path in ("new0.png", "new1.png"):
        del farm.photos.files[path]
    farm.photos.open = unplugged
    result = predict(farm, models, features, manifest)
    assert result.metadata["map"].value == "No map could be drawn: the disk is gone"
    assert len(result.value) == 2


def unplugged(path):
    raise OSError("the disk is gone")


def test_they_are_what_the_ensemble_says(farm, models):
    found = predict_ensemble(
        ensemble_of(*models, model="auto"),
        farm.inference().value.load(),
        spec=PredictionSpec.from_config(farm.config.evaluation),
    )
    expected = found.frame(farm.config.data.quadrat_area_m2)
    pd.testing.assert_frame_equal(predictions(farm, models).value, expected)


def test_the_configured_model_predicts(farm, models):
    by_model = {
        model: predictions(
            farm.with_config(training=farm.config.training.model_copy(update={"model": model})),
            models,
        ).value["y_pred"]
        for model in ("mil", "ridge")
    }
    assert not np.allclose(by_model["mil"], by_model["ridge"])


def test_other_models_have_another_fingerprint(farm, models):
    networks, ridges = models
    facts = [
        predictions(farm, (networks, each)).metadata for each in (ridges, {**ridges, 1: ridges[0]})
    ]
    assert facts[0]["models_fingerprint"] != facts[1]["models_fingerprint"]


def test_what_the_backbone_refuses_is_listed_and_not_predicted(farm, models):
    """A photo that changes between the door and the backbone."""
    manifest = farm.manifest()
    farm.photos.files["new1.png"] = png(7)
    features = farm.inference(manifest).value
    (refused,) = features.quarantined()
    assert refused.image_id == "new1"
    result = predict(farm, models, features, manifest)
    assert result.value["image_id"].unique().tolist() == ["new0"]
    assert result.metadata["not_predicted"] == 1
    assert "new1.png" in result.metadata["quarantine"].value


def test_too_many_refusals_stop(farm):
    """Of 12, ten per cent are two."""
    for number in range(2, 12):
        farm.photos.files[f"new{number}.png"] = png(90, blue=50 + number)
    manifest = farm.manifest()
    for number in range(2):
        farm.photos.files[f"new{number}.png"] = png(7, blue=number)
    assert len(farm.inference(manifest).value.quarantined()) == 2
    farm.photos.files["new2.png"] = png(7, blue=2)
    farm.features.caches.clear()
    with pytest.raises(TooManyRefusedError, match=r"new2.png"):
        farm.inference(manifest)


def test_nothing_to_predict_gives_empty_tables(stand, models):
    result = predictions(stand, models)
    assert len(result.value) == 0
    assert "out_of_domain_share" not in result.metadata
    table = stand.asset("submission")(result.value, labels=stand.labels).value
    assert (len(table), list(table.columns)) == (0, ["sample_id", "target"])


def test_a_submission_follows_the_file_or_the_ids(farm, models):
    table = predictions(farm, models).value
    by_id = farm.asset("submission")(table, labels=farm.labels)
    assert by_id.value["sample_id"].tolist() == ["new0__mass_g", "new1__mass_g"]
    assert by_id.metadata["dagster/row_count"] == 2
    farm.labels.asked = pd.DataFrame({"sample_id": ["new1__mass_g", "new0__mass_g"]})
    asked = farm.asset("submission")(table, labels=farm.labels)
    assert asked.value["target"].tolist() == by_id.value["target"].tolist()[::-1]
    assert version(asked) != version(by_id)


def test_a_file_that_asks_for_others_names_them(farm, models):
    farm.labels.asked = pd.DataFrame({"sample_id": ["new0__mass_g", "other__mass_g"]})
    table = predictions(farm, models).value
    with pytest.raises(SubmissionIdsError, match="other__mass_g"):
        farm.asset("submission")(table, labels=farm.labels)


def test_another_backbone_is_another_code_version(farm):
    other = farm.with_config(backbone=BackboneConfig(name="colour-texture"))

    def code(stand, name):
        return stand.asset(name).code_versions_by_key.popitem()[1]

    other.extraction = "f" * 16
    assert code(farm, "inference_features") != code(other, "inference_features")
    assert code(farm, "predictions") == code(other, "predictions")
