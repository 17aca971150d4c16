import dataclasses

import cv2
import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.errors import ForeignPhotosError
from biomass_pipeline.synthetic import COMPONENTS, SyntheticSpec, truth_cell_px, write_photos

SPEC = SyntheticSpec(n_photos=12, height_px=60, width_px=120, n_sessions=8)

COLUMNS = (
    "sample_id,image_path,Sampling_Date,State,Species,Pre_GSHH_NDVI,Height_Ave_cm,"
    "target_name,target"
)


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    folder = tmp_path_factory.mktemp("survey")
    write_photos(folder, spec=SPEC)
    return folder


def read_labels(folder):
    return pd.read_csv(folder / "train.csv")


def test_equal_specifications_give_equal_bytes(survey, tmp_path):
    write_photos(tmp_path / "new" / "folder", spec=SPEC)
    assert contents(tmp_path / "new" / "folder") == contents(survey)


def test_another_seed_gives_another_survey(survey, tmp_path):
    write_photos(tmp_path, spec=dataclasses.replace(SPEC, seed=1))
    assert contents(tmp_path).keys() != contents(survey).keys()


def test_a_second_call_writes_nothing_and_restores_nothing(tmp_path):
    write_photos(tmp_path, spec=SPEC)
    next((tmp_path / "photos").iterdir()).unlink()
    before = stamps(tmp_path)
    write_photos(tmp_path, spec=SPEC)
    assert stamps(tmp_path) == before


def test_another_specification_replaces_the_survey_and_leaves_other_files(survey, tmp_path):
    (tmp_path / "fold_assignment.parquet").write_text("mine")
    write_photos(tmp_path, spec=dataclasses.replace(SPEC, seed=1))
    write_photos(tmp_path, spec=SPEC)
    assert (tmp_path / "fold_assignment.parquet").read_text() == "mine"
    (tmp_path / "fold_assignment.parquet").unlink()
    assert contents(tmp_path) == contents(survey)


@pytest.mark.parametrize("lost", ["synthetic.json", "train.csv", "truth.parquet"])
def test_an_interrupted_write_is_done_again(survey, tmp_path, lost):
    write_photos(tmp_path, spec=SPEC)
    (tmp_path / ".synthetic.partial").mkdir()
    (tmp_path / lost).unlink()
    write_photos(tmp_path, spec=SPEC)
    assert contents(tmp_path) == contents(survey)


def test_photos_that_were_not_generated_are_never_replaced(tmp_path):
    photo = tmp_path / "photos" / "mine.jpg"
    photo.parent.mkdir()
    photo.write_bytes(b"mine")
    with pytest.raises(ForeignPhotosError, match="photos, which were not generated here"):
        write_photos(tmp_path, spec=SPEC)
    assert contents(tmp_path) == {"photos/mine.jpg": b"mine"}


def test_labels_are_in_the_long_layout_with_a_photo_each(survey):
    labels = read_labels(survey)
    assert list(labels.columns) == COLUMNS.split(",")
    assert len(labels) == 5 * SPEC.n_photos
    assert labels["Sampling_Date"].str.fullmatch(r"20\d\d/[1-9]\d?/[1-9]\d?").all()
    for path, rows in labels.groupby("image_path"):
        assert set(rows["target_name"]) == {*COMPONENTS, "GDM_g", "Dry_Total_g"}
        photo = cv2.imread(str(survey / path))
        assert photo.shape == (SPEC.height_px, SPEC.width_px, 3)
        name = path.removeprefix("photos/").removesuffix(".jpg")
        assert list(rows["sample_id"]) == [f"{name}__{target}" for target in rows["target_name"]]


def test_sums_are_exact_and_small_masses_are_zero(survey):
    wide = read_labels(survey).pivot_table(
        index="image_path", columns="target_name", values="target"
    )
    green, clover, dead = (wide[f"Dry_{name}_g"] for name in ("Green", "Clover", "Dead"))
    np.testing.assert_allclose(wide["GDM_g"], green + clover, atol=1e-9)
    np.testing.assert_allclose(wide["Dry_Total_g"], wide["GDM_g"] + dead, atol=1e-9)
    masses = wide.to_numpy()
    assert ((masses == 0) | (masses >= 0.05)).all()
    text = pd.read_csv(survey / "train.csv", dtype="str")["target"]
    assert text.str.fullmatch(r"\d+\.\d{4}").all()


def test_the_truth_sums_to_the_labels_within_the_laboratorys_noise(survey):
    truth = pd.read_parquet(survey / "truth.parquet")
    cell_px = truth_cell_px(SPEC)
    assert (truth[["row_px", "col_px"]].to_numpy() % cell_px == 0).all()
    assert truth.groupby("image_id").size().eq(10 * 20).all()
    drawn = truth.groupby("image_id")[list(COMPONENTS)].sum()
    labels = read_labels(survey)
    labels["image_id"] = labels["image_path"].str.slice(7, -4)
    weighed = labels.pivot_table(index="image_id", columns="target_name", values="target")
    for name in COMPONENTS:
        heavy = drawn[name] > 0.1
        error = np.log(weighed.loc[heavy, name] / drawn.loc[heavy, name])
        assert error.abs().max() < 0.25
        assert (weighed.loc[drawn[name] == 0, name] == 0).all()


def test_in_the_control_the_drawn_plants_tell_nothing(tmp_path):
    write_photos(tmp_path, spec=dataclasses.replace(SPEC, cue="session_colour"))
    truth = pd.read_parquet(tmp_path / "truth.parquet")
    drawn = truth.groupby("image_id")[list(COMPONENTS)].sum().sum(axis=1)
    labels = read_labels(tmp_path)
    weighed = labels.loc[labels["target_name"] == "Dry_Total_g", "target"]
    assert drawn.std() / drawn.mean() < 0.03
    assert weighed.std() / weighed.mean() > 0.3


def test_the_partial_folder_is_gone_afterwards(survey):
    assert {path.name for path in survey.iterdir()} == {
        "photos",
        "train.csv",
        "truth.parquet",
        "synthetic.json",
    }
