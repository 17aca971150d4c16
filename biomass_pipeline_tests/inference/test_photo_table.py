"""A table about photos is read once, matched by path or name, and says nothing in silence."""

import pandas as pd
import pytest

from biomass_pipeline.config import DataConfig
from biomass_pipeline.errors import MissingInputError, PhotoTableError, UnknownPhotosError
from biomass_pipeline.inference.photo_table import (
    folders_of,
    for_photos,
    groups_of,
    read_photo_table,
)

DATA = DataConfig(date_column="date")
PATHS = {"a/one": "a/one.jpg", "a/two": "a/two.jpg", "b/three": "b/three.png"}


@pytest.fixture
def table(tmp_path):
    """Write a table and read columns of it."""

    def read(text, *columns, name="photos.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return read_photo_table(name, base=tmp_path, data=DATA, columns=columns)

    return read


@pytest.mark.parametrize("column", ["image_path", "image_id", "photo", "filename", "path"])
def test_photos_are_named_by_path_or_name(table, column):
    read = table(f"{column},paddock\na/one.jpg,P1\ntwo,P2\nthree.png,P1\nfour.jpg,P3\n", "paddock")
    found = for_photos(read, PATHS, source="photos.csv")
    assert dict(zip(found["image_id"], found["paddock"], strict=True)) == {
        "a/one": "P1",
        "a/two": "P2",
        "b/three": "P1",
    }
    groups = groups_of(found, list(PATHS), by="paddock", source="photos.csv")
    assert groups.to_dict() == {"a/one": "P1", "a/two": "P2", "b/three": "P1"}


def test_a_parquet_file_does_as_well(tmp_path):
    frame = pd.DataFrame({"photo": ["one.jpg"], "height": [3.5]})
    frame.to_parquet(tmp_path / "t.parquet")
    read = read_photo_table("t.parquet", base=tmp_path, data=DATA, columns=("height",))
    assert read["height"].tolist() == ["3.5"]


def test_a_long_label_file_is_joined_to_a_row_a_photo(table):
    read = table(
        "image_path,target_name,target,ndvi\na/one.jpg,x,1,0.5\na/one.jpg,y,2,0.5\n", "ndvi"
    )
    assert read.to_dict("list") == {"photo": ["a/one.jpg"], "ndvi": ["0.5"]}


def test_rows_of_one_photo_that_disagree_are_refused(table):
    with pytest.raises(PhotoTableError, match=r"line 3 says something else of a/one\.jpg"):
        table("photo,paddock\na/one.jpg,P1\na/one.jpg,P2\n", "paddock")


def test_dates_become_iso_and_others_are_refused(table):
    assert table("photo,date\none,9/4/2015\n", "date")["date"].tolist() == ["2015-09-04"]
    with pytest.raises(PhotoTableError, match=r"line 2: `soon` is not a date"):
        table("photo,date\none,soon\n", "date")


def test_a_column_that_is_not_there_is_named_with_those_that_are(table):
    with pytest.raises(PhotoTableError, match=r"no column paddock.*photo, field"):
        table("photo,field\none,F\n", "paddock")
    with pytest.raises(PhotoTableError, match=r"no column names the photos.*sheep, field"):
        table("sheep,field\none,F\n", "field")


def test_a_table_that_is_not_there_is_named_with_its_option(tmp_path):
    with pytest.raises(MissingInputError, match=r"table of photos at .*nowhere\.csv.*--table"):
        read_photo_table("nowhere.csv", base=tmp_path, data=DATA, columns=())


def test_a_name_that_could_be_several_photos_is_refused(table):
    read = table("photo,paddock\nsame.jpg,P1\n", "paddock")
    paths = {"a/same": "a/same.jpg", "b/same": "b/same.jpg"}
    with pytest.raises(PhotoTableError, match="could be any of 2 photos"):
        for_photos(read, paths, source="t.csv")


def test_a_photo_without_a_value_is_named(table):
    read = table("photo,paddock\na/one.jpg,P1\na/two.jpg,\n", "paddock")
    found = for_photos(read, PATHS, source="t.csv")
    with pytest.raises(UnknownPhotosError, match=r"no paddock for 2 photo\(s\): a/two, b/three"):
        groups_of(found, list(PATHS), by="paddock", source="t.csv")


def test_folders_are_groups_too():
    assert folders_of({**PATHS, "top": "top.jpg"}).to_dict() == {
        "a/one": "a",
        "a/two": "a",
        "b/three": "b",
        "top": ".",
    }
