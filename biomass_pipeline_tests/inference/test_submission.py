"""A submission has just the rows that were asked for, in their order, and numbers that add up."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import DataConfig
from biomass_pipeline.errors import (
    MissingInputError,
    SubmissionColumnsError,
    SubmissionIdsError,
    SubmissionNumbersError,
)
from biomass_pipeline.inference.submission import read_order, submission_table

DATA = DataConfig()
NAMES = DATA.target_names


def predicted(*photos, seed=0):
    """`image_id, target, y_pred` of some photos, sums exact."""
    components = np.random.default_rng(seed).gamma(1.0, 20.0, (len(photos), len(DATA.components)))
    y = components @ np.array(DATA.component_matrix()).T
    return pd.DataFrame(
        {
            "image_id": np.repeat(photos, len(NAMES)),
            "target": list(NAMES) * len(photos),
            "y_pred": y.ravel(),
        }
    )


def asked(*photos, folder="", suffix=".jpg"):
    """A test file as the competition writes it."""
    rows = [
        (f"{photo}__{name}", f"{folder}{photo}{suffix}", name) for photo in photos for name in NAMES
    ]
    return pd.DataFrame(rows, columns=["sample_id", "image_path", "target_name"], dtype="str")


IDS = st.lists(
    st.text("abcdefgh0123456789_-", min_size=1, max_size=8), min_size=1, max_size=6, unique=True
)


@given(IDS, st.randoms(use_true_random=False))
def test_rows_and_order_are_those_of_the_file_whatever_they_are(photos, random):
    table = predicted(*photos)
    order = asked(*photos)
    rows = list(range(len(order)))
    random.shuffle(rows)
    order = order.iloc[rows].reset_index(drop=True)
    found = submission_table(table, data=DATA, order=order)
    assert found["sample_id"].tolist() == order["sample_id"].tolist()
    value = table.set_index(table["image_id"] + "__" + table["target"])["y_pred"]
    assert found["target"].tolist() == value.loc[found["sample_id"]].tolist()


@given(IDS)
def test_without_a_file_every_photo_has_its_five_rows_in_order_of_id(photos):
    found = submission_table(predicted(*photos), data=DATA)
    assert found["sample_id"].tolist() == [f"{p}__{t}" for p in sorted(photos) for t in NAMES]
    assert (found["target"] >= 0).all()
    y = found["target"].to_numpy().reshape(len(photos), 5)
    columns = dict(zip(NAMES, y.T, strict=True))
    for total, parts in DATA.identities.items():
        assert columns[total] == pytest.approx(sum(columns[part] for part in parts), rel=1e-12)


@pytest.mark.parametrize("columns", [["sample_id"], ["sample_id", "image_path", "target_name"]])
def test_photos_in_a_folder_are_found_by_their_path_or_the_end_of_it(columns):
    table = predicted("test/ID2", "test/ID1")
    order = asked("ID1", "ID2", folder="test/")[columns]
    found = submission_table(table, data=DATA, order=order)
    of_one = table.loc[table["image_id"] == "test/ID1", "y_pred"].tolist()
    assert found["target"].tolist()[:5] == of_one
    assert found["sample_id"].iloc[0] == f"ID1__{NAMES[0]}"


def test_the_path_is_believed_where_the_id_says_nothing():
    order = asked("ID1").assign(sample_id=[f"row {n}" for n in range(5)])
    found = submission_table(predicted("ID1"), data=DATA, order=order)
    assert found["sample_id"].tolist() == [f"row {n}" for n in range(5)]
    assert found["target"].tolist() == predicted("ID1")["y_pred"].tolist()


def test_rows_without_prediction_are_named():
    with pytest.raises(SubmissionIdsError, match=r"5 asked for, .* prediction of them: ID2__Dry"):
        submission_table(predicted("ID1"), data=DATA, order=asked("ID1", "ID2"))


def test_photos_that_are_not_asked_for_are_named():
    with pytest.raises(SubmissionIdsError, match=r"5 predicted, but not asked for: ID2__Dry_Green"):
        submission_table(predicted("ID1", "ID2"), data=DATA, order=asked("ID1"))


def test_a_missing_a_double_and_an_unknown_row_are_named():
    order = asked("ID1")
    order.loc[4] = order.loc[0]
    with pytest.raises(SubmissionIdsError) as caught:
        submission_table(predicted("ID1"), data=DATA, order=order)
    assert f"1 predicted, but not asked for: ID1__{NAMES[4]}" in str(caught.value)
    assert f"1 asked for twice: ID1__{NAMES[0]}" in str(caught.value)
    unknown = asked("ID1")
    unknown.loc[1, "target_name"] = "Dry_Weeds_g"
    with pytest.raises(SubmissionIdsError, match="1 asked for, but there is no prediction"):
        submission_table(predicted("ID1"), data=DATA, order=unknown)


def test_a_row_that_is_only_doubled_is_named():
    order = pd.concat([asked("ID1"), asked("ID1").iloc[:1]], ignore_index=True)
    with pytest.raises(SubmissionIdsError, match=rf"1 asked for twice: ID1__{NAMES[0]}"):
        submission_table(predicted("ID1"), data=DATA, order=order)


def test_no_photo_and_no_file_is_an_empty_table():
    empty = predicted().astype({"image_id": "str", "target": "str"})
    found = submission_table(empty, data=DATA)
    assert (len(found), list(found.columns)) == (0, ["sample_id", "target"])


@pytest.mark.parametrize(
    ("value", "told"),
    [(-1.0, "Dry_Green_g of ID1 is -1"), (np.nan, "Dry_Green_g of ID1 is nan")],
)
def test_numbers_that_no_photo_has_are_refused(value, told):
    table = predicted("ID1")
    table.loc[0, "y_pred"] = value
    with pytest.raises(SubmissionNumbersError, match=told):
        submission_table(table, data=DATA)


def test_a_sum_that_is_not_one_is_refused():
    table = predicted("ID1")
    table.loc[table["target"] == "GDM_g", "y_pred"] += 0.01
    with pytest.raises(SubmissionNumbersError, match=r"but Dry_Green_g \+ Dry_Clover_g is"):
        submission_table(table, data=DATA)


def test_the_file_is_read_as_text(tmp_path):
    asked("007").to_csv(tmp_path / "test.csv", index=False)
    found = read_order("test.csv", base=tmp_path)
    assert found["sample_id"].iloc[0] == f"007__{NAMES[0]}"


def test_a_file_that_is_not_there_names_its_setting(tmp_path):
    with pytest.raises(MissingInputError, match=r"`data.submission`"):
        read_order("test.csv", base=tmp_path)


def test_a_file_without_ids_tells_its_columns(tmp_path):
    (tmp_path / "test.csv").write_text("image_path\nID1.jpg\n")
    with pytest.raises(SubmissionColumnsError, match="Its columns are: image_path"):
        read_order("test.csv", base=tmp_path)
