"""What Python calls: photos in, a table with units out, and nothing swept under the carpet."""

import logging
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import biomass_pipeline
from biomass_pipeline.errors import (
    MissingBundleError,
    MissingCovariateError,
    PhotoTableError,
    StrangerSiteError,
    UnreadableSiteError,
)
from biomass_pipeline.inference.bundle import RANDOM_NOTE, load_bundle, save_bundle
from biomass_pipeline.inference.calibration import calibrate
from biomass_pipeline.inference.embedding import Workplace
from biomass_pipeline.inference.new_photos import predict_location
from biomass_pipeline.inference.shifts import learn_prior
from biomass_pipeline.inference.site_file import write_site
from biomass_pipeline_tests.inference.meadow import MEADOW, labels_of, photo
from biomass_pipeline_tests.inference.models import SMALL, bundle_of, untrained_fold
from biomass_pipeline_tests.mil.conftest import Field

COLUMNS = [
    "image_id",
    "target",
    "y_pred",
    "y_lower",
    "y_upper",
    "y_lower_50",
    "y_upper_50",
    "y_lower_80",
    "y_upper_80",
    "p_zero",
    "kg_dm_ha",
    "kg_dm_ha_lower",
    "kg_dm_ha_upper",
    "fold_sd",
    "ood_percentile",
]
# Loads a bundle and predicts, where importing Dagster is an error.
WITHOUT_DAGSTER = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("dagster", "pytorch_lightning", "lightning")):
            raise ImportError(f"{name} is not installed here")

sys.meta_path.insert(0, Refuse())
import biomass_pipeline
images, bundle, cache, output = sys.argv[1:]
frame = biomass_pipeline.predict(images, bundle=bundle, cache=cache, device="cpu")
frame.to_parquet(output)
print(sorted(name for name in sys.modules if name.startswith(("dagster", "lightning"))))
"""


@pytest.fixture(scope="module")
def predicted(meadow, exported):
    return biomass_pipeline.predict(
        meadow.photos, bundle=exported, cache=meadow.cache, device="cpu"
    )


def wide(frame, column="y_pred"):
    return frame.pivot_table(index="image_id", columns="target", values=column, sort=False)


def test_the_table_has_a_row_a_photo_and_target(predicted):
    assert list(predicted.columns) == COLUMNS
    assert len(predicted) == 18 * 4
    assert predicted["image_id"].is_monotonic_increasing
    assert predicted["target"].tolist()[:4] == list(MEADOW.target_names)


def test_identities_hold_in_every_photo(predicted):
    y = wide(predicted)
    assert y["total_g"].to_numpy() == pytest.approx(
        (y["green_g"] + y["dead_g"]).to_numpy(), abs=1e-9
    )
    assert (predicted["y_pred"] >= 0).all()


def test_units_are_what_they_are_said_to_be(predicted):
    grams = predicted[predicted["target"] != "cover"]
    # 1 g on half a square metre is 2 g a square metre, and 20 kg a hectare.
    assert grams["kg_dm_ha"].to_numpy() == pytest.approx(20 * grams["y_pred"].to_numpy())
    assert predicted.loc[predicted["target"] == "cover", "kg_dm_ha"].isna().all()
    assert predicted["p_zero"].between(0, 1).all()
    assert predicted["ood_percentile"].between(0, 100).all()


def test_a_bundle_in_memory_predicts_as_its_folder(meadow, exported, predicted):
    again = biomass_pipeline.predict(
        str(meadow.photos), bundle=load_bundle(exported), cache=str(meadow.cache), device="cpu"
    )
    pd.testing.assert_frame_equal(again, predicted)


def test_a_photo_is_predicted_alone_as_among_others(meadow, exported, predicted):
    one = biomass_pipeline.predict(
        meadow.photos / "a" / "p04.png", bundle=exported, cache=meadow.cache, device="cpu"
    )
    among = predicted[predicted["image_id"] == "a/p04"].reset_index(drop=True)
    numbers = COLUMNS[2:]
    assert one[numbers].to_numpy() == pytest.approx(
        among[numbers].to_numpy(), rel=1e-6, abs=1e-9, nan_ok=True
    )


def test_unreadable_photos_have_no_row_but_are_told(exported, tmp_path, caplog):
    photo(tmp_path / "photos" / "good.png", green=90)
    (tmp_path / "photos" / "bad.png").write_text("no photo")
    with caplog.at_level(logging.WARNING):
        frame = biomass_pipeline.predict(
            tmp_path / "photos", bundle=exported, cache=tmp_path / "cache", device="cpu"
        )
    assert set(frame["image_id"]) == {"good"}
    assert frame.attrs["unreadable"] == [["bad.png", "not an image"]]
    assert "bad.png is not predicted: not an image" in caplog.text


def test_photos_that_are_all_unreadable_give_an_empty_table(exported, tmp_path):
    (tmp_path / "bad.png").write_text("no photo")
    frame = biomass_pipeline.predict(
        tmp_path / "bad.png", bundle=exported, cache=tmp_path / "cache", device="cpu"
    )
    assert list(frame.columns) == COLUMNS
    assert frame.empty
    assert frame.attrs["unreadable"] == [["bad.png", "not an image"]]


def test_random_weights_are_said(meadow, caplog, tmp_path):
    noted = replace(meadow.bundle, notes=(RANDOM_NOTE,))
    with caplog.at_level(logging.WARNING):
        frame = biomass_pipeline.predict(
            meadow.photos, bundle=noted, cache=meadow.cache, device="cpu"
        )
    assert RANDOM_NOTE in caplog.text
    assert frame.attrs["notes"] == [RANDOM_NOTE]


def test_attributes_survive_a_parquet_file(predicted, tmp_path):
    predicted.to_parquet(tmp_path / "out.parquet")
    assert pd.read_parquet(tmp_path / "out.parquet").attrs == predicted.attrs


@pytest.mark.slow
def test_it_loads_and_predicts_without_dagster(meadow, exported, predicted, tmp_path):
    output = tmp_path / "out.parquet"
    words = [meadow.photos, exported, meadow.cache, output]
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_DAGSTER, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(biomass_pipeline.__file__).parents[1]), "PATH": ""},
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "[]"
    pd.testing.assert_frame_equal(pd.read_parquet(output), predicted)


def test_the_version_costs_no_import():
    code = (
        "import sys, biomass_pipeline; print([m for m in ('torch', 'pandas') if m in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(biomass_pipeline.__file__).parents[1]), "PATH": ""},
    )
    assert ended.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = biomass_pipeline.nothing


def test_a_bundle_that_is_none_is_refused(meadow, tmp_path):
    with pytest.raises(MissingBundleError):
        biomass_pipeline.predict(meadow.photos, bundle=tmp_path, cache=meadow.cache)


class TestSite:
    @pytest.fixture
    def site(self, meadow, tmp_path):
        """A calibration: everything weighs twice as much here."""
        place = Workplace(cache=meadow.cache, device="cpu")
        found = predict_location(str(meadow.photos), meadow.bundle, place=place).prediction
        predictive = found.predictive
        cuts = pd.DataFrame(2 * predictive.y[:12], columns=list(MEADOW.target_names))
        cuts.insert(0, "image_id", predictive.image_ids[:12])
        tables = [fold.ridge.inner for fold in meadow.bundle.ensemble.folds]
        prior = learn_prior(tables, targets=predictive.targets)
        path = tmp_path / "site.json"
        write_site(calibrate(predictive, cuts, prior=prior, model=meadow.bundle.fingerprint), path)
        return path

    def test_it_moves_the_predictions_and_keeps_the_identities(
        self, meadow, exported, predicted, site
    ):
        moved = biomass_pipeline.predict(
            meadow.photos, bundle=exported, site=site, cache=meadow.cache, device="cpu"
        )
        before, after = wide(predicted), wide(moved)
        assert (after["total_g"] > before["total_g"]).mean() > 0.8
        assert after["total_g"].to_numpy() == pytest.approx(
            (after["green_g"] + after["dead_g"]).to_numpy(), abs=1e-9
        )

    def test_that_of_another_model_is_refused(self, meadow, site):
        other = replace(
            meadow.bundle,
            config=meadow.bundle.config.model_copy(
                update={"cache": meadow.bundle.config.cache.model_copy(update={"dtype": "float32"})}
            ),
        )
        with pytest.raises(StrangerSiteError):
            biomass_pipeline.predict(meadow.photos, bundle=other, site=site, cache=meadow.cache)

    def test_one_that_is_not_there_is_refused_before_any_photo_is_read(self, exported, tmp_path):
        with pytest.raises(UnreadableSiteError):
            biomass_pipeline.predict(
                "nowhere", bundle=exported, site=tmp_path / "none.json", cache=tmp_path
            )


@pytest.fixture(scope="module")
def tall(meadow, tmp_path_factory):
    """A bundle whose networks read a height and the season."""
    training = SMALL.model_copy(update={"covariates": ("height", "season")})
    place = Workplace(cache=meadow.cache, device="cpu")
    features = predict_location(str(meadow.photos), meadow.bundle, place=place).embedded.features
    labels = labels_of(features.image_ids)
    labels["height"] = np.arange(len(labels), dtype=float)
    labels["date"] = "2024-05-01"
    models = untrained_fold(Field(features, labels), training, data=MEADOW)
    folder = tmp_path_factory.mktemp("tall") / "bundle"
    save_bundle(bundle_of([models], data=MEADOW, model="mil"), folder, card="")
    return folder


class TestCovariates:
    @pytest.fixture
    def table(self, meadow, tmp_path):
        rows = [f"p{n:02d}.png,{n},9/4/2015" for n in range(18)]
        path = tmp_path / "photos.csv"
        path.write_text("\n".join(["photo,height,date", *rows]))
        return path

    def run(self, meadow, tall, table=None):
        return biomass_pipeline.predict(
            meadow.photos, bundle=tall, table=table, cache=meadow.cache, device="cpu"
        )

    def test_they_come_from_the_table(self, meadow, tall, table):
        one = self.run(meadow, tall, table)
        table.write_text(table.read_text().replace(",7,", ",9000,"))
        other = self.run(meadow, tall, table)
        differs = (wide(one)["total_g"] != wide(other)["total_g"]).to_numpy()
        assert wide(one).index[differs].tolist() == ["b/p07"]

    def test_without_them_networks_that_need_them_refuse(self, meadow, tall):
        with pytest.raises(MissingCovariateError, match="height"):
            self.run(meadow, tall)

    def test_a_table_without_them_is_refused(self, meadow, tall, table):
        table.write_text(table.read_text().replace("height", "width"))
        with pytest.raises(PhotoTableError, match="no column height"):
            self.run(meadow, tall, table)


def test_a_moved_bundle_predicts_the_same(meadow, exported, predicted, tmp_path):
    moved = shutil.copytree(exported, tmp_path / "elsewhere" / "bundle")
    again = biomass_pipeline.predict(meadow.photos, bundle=moved, cache=meadow.cache, device="cpu")
    pd.testing.assert_frame_equal(again, predicted)
