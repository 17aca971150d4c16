"""Tuning by hand: a fold's study never saw the fold, and settings are recommended."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml

from biomass_pipeline.config import SearchConfig, TuningConfig
from biomass_pipeline.mil.tuning import sqlite_url

TUNING = TuningConfig(n_trials=2, space={"learning_rate": SearchConfig(low=1e-3, high=0.1)})


@dataclass
class Shelf:
    """Studies in one file, recommendations in another."""

    folder: Path

    def storage_url(self):
        return sqlite_url(self.folder / "studies.sqlite3")

    def recommend(self, text):
        file = self.folder / "best.yaml"
        file.write_text(text, encoding="utf-8")
        return file


@pytest.fixture
def small(stand):
    return stand.with_config(tuning=TUNING)


def shelf(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    return Shelf(folder)


def found(result):
    """What a study said, without the fold's own photos."""
    told = result.metadata
    return told["study"], told["trials"], told["best"].value, told["inner_r2"]


def test_poisoned_labels_of_a_fold_change_nothing_of_its_study(small, tmp_path):
    caches = small.caches(0, 1, 2)
    clean = small.study(1, caches, studies=shelf(tmp_path, "clean"))
    own = set(small.folds().query("fold == 1")["image_id"])
    for image_id in own:
        date, mass = small.labels.rows[f"{image_id}.png"]
        small.labels.rows[f"{image_id}.png"] = (date, 1000.0 - mass)
    poisoned = small.study(1, caches, studies=shelf(tmp_path, "poisoned"))
    assert found(poisoned) == found(clean)
    said = ["image_id", "target", "tuned", "untuned"]
    pd.testing.assert_frame_equal(poisoned.value[said], clean.value[said], check_exact=True)
    assert (poisoned.value["y_true"] != clean.value["y_true"]).all()
    # A label of another fold makes another study.
    other = next(name for name in small.labels.rows if name.removesuffix(".png") not in own)
    small.labels.rows[other] = (small.labels.rows[other][0], 77.0)
    elsewhere = small.study(1, caches, studies=shelf(tmp_path, "elsewhere"))
    assert found(elsewhere)[0] != found(clean)[0]


def test_photos_of_the_fold_itself_change_nothing_of_its_study(small, tmp_path):
    caches = small.caches(0, 1, 2)
    whole = small.study(1, caches, studies=shelf(tmp_path, "whole"))
    # Another fold's photos in its place: what is predicted differs, what was found does not.
    swapped = small.study(1, caches | {1: caches[0]}, studies=shelf(tmp_path, "swapped"))
    assert found(swapped) == found(whole)
    assert set(swapped.value["image_id"]) != set(whole.value["image_id"])


def test_what_a_search_of_all_photos_recommends_is_written(small, tmp_path):
    caches, studies = small.caches(0, 1, 2), shelf(tmp_path, "all")
    tables = {fold: small.study(fold, caches, studies=studies).value for fold in range(3)}
    result = small.call(
        "tuning", tables, caches, small.label_table(), settings=small.settings, studies=studies
    )
    assert set(result.value["best"]) == {"learning_rate"}
    nested = result.value["nested"]
    assert nested["difference"] == pytest.approx(nested["r2"] - nested["untuned_r2"])
    written = yaml.safe_load((studies.folder / "best.yaml").read_text(encoding="utf-8"))
    assert written["training"]["learning_rate"] == pytest.approx(
        result.value["best"]["learning_rate"]
    )
