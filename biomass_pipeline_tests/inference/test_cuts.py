import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.errors import (
    CutCountError,
    CutsTableError,
    MissingInputError,
    UnknownLayoutError,
)
from biomass_pipeline.inference.cuts import LEAST_CUTS, MOST_CUTS, read_cuts

PHOTOS = ["north/one.jpg", "north/two.jpg", "south/three.PNG", "south/four.jpg"]
SPEC = DataConfig()
GOOD = "image_path,Dry_Total_g\none.jpg,10\ntwo.jpg,20\nthree,30\nfour.jpg,40\n"


@pytest.fixture
def read(tmp_path):
    def run(text, *, photos=PHOTOS, spec=SPEC, **options):
        data = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "cuts.csv").write_bytes(data)
        return read_cuts("cuts.csv", photos, spec=spec, base=tmp_path, **options)

    return run


def test_photos_are_found_by_path_name_or_id(read):
    text = (
        "image_id,Dry_Total_g\nnorth/one,10\ntwo.jpg,20\nC:\\field\\south\\three.PNG,30\nfour,40\n"
    )
    found = read(text)
    assert found.table["image_id"].tolist() == [
        "north/one",
        "north/two",
        "south/three",
        "south/four",
    ]
    assert found.table["path"].tolist() == PHOTOS
    assert found.table["Dry_Total_g"].tolist() == [10, 20, 30, 40]
    assert found.table["Dry_Dead_g"].isna().all()
    assert found.left_out == ()


def test_both_layouts_say_the_same(read):
    wide = read(
        "image_path,Dry_Total_g,GDM_g\none.jpg,10,5\ntwo.jpg,20,\nthree.PNG,30,7\nfour.jpg,40,8\n"
    )
    rows = [("one.jpg", 10, 5), ("two.jpg", 20, None), ("three.PNG", 30, 7), ("four.jpg", 40, 8)]
    lines = ["image_path,target_name,target"]
    for photo, total, gdm in rows:
        lines.append(f"{photo},Dry_Total_g,{total}")
        lines += [f"{photo},GDM_g,{gdm}"] if gdm else []
    long = read("\n".join(lines))
    pd.testing.assert_frame_equal(wide.table, long.table)


def test_the_configured_column_of_photos_is_found(read):
    spec = SPEC.model_copy(update={"image_column": "photo"})
    assert len(read(GOOD.replace("image_path", "photo"), spec=spec).table) == 4


def test_parquet_is_read_too(tmp_path):
    table = pd.DataFrame({"image_id": ["one", "two", "three"], "GDM_g": [1.0, 2.0, np.nan]})
    table["Dry_Total_g"] = [2.0, 3.0, 4.0]
    table.to_parquet(tmp_path / "cuts.parquet")
    found = read_cuts("cuts.parquet", PHOTOS, spec=SPEC, base=tmp_path)
    assert found.table["Dry_Total_g"].tolist() == [2, 3, 4]
    assert found.table["GDM_g"].isna().tolist() == [False, False, True]


def test_what_cannot_be_used_is_listed_with_its_reason(read):
    text = GOOD + "elsewhere.jpg,5\nfive.jpg,6\n"
    text = text.replace("four.jpg,40", "four.jpg,")
    found = read(text, refused={"north/five.jpg": "truncated"})
    assert found.table["path"].tolist() == PHOTOS[:3]
    assert dict(found.left_out) == {
        "four.jpg": "no mass is given",
        "elsewhere.jpg": "no such photo among those predicted",
        "five.jpg": "truncated",
    }


def test_columns_that_are_no_target_are_named(read):
    text = GOOD.replace("Dry_Total_g", "Dry_Total_g,Dry_Green").replace("10\n", "10,3\n")
    text = text.replace("20\n", "20,1\n").replace("30\n", "30,1\n").replace("40\n", "40,1\n")
    assert read(text).warnings == ("columns that are no target are left out: Dry_Green",)


WRONG_CELLS = {
    "negative": (GOOD.replace("20", "-20"), "line 3, column `Dry_Total_g`: `-20` is negative"),
    "not a number": (GOOD.replace("20", "much"), "`much` is not a number"),
    "NaN": (GOOD.replace("20", "nan"), "`nan` is not a number"),
    "infinite": (GOOD.replace("20", "inf"), "`inf` is infinite"),
    "decimal comma": (
        GOOD.replace(",", ";").replace("20", "2,5"),
        r"`2,5` has a decimal comma: write 2\.5",
    ),
    "ragged": (GOOD.replace("20", "2,5"), "line 3: 3 cells, but the header has 2"),
    "twice": (GOOD + "two.jpg,21\n", "line 6: `two.jpg` appears a second time"),
    "twice, spelt otherwise": (GOOD + "north/two,21\n", "are both the photo `north/two.jpg`"),
    "no photo": (GOOD + ",50\n", "line 6, column `image_path`: is empty"),
    "not UTF-8": (GOOD.replace("one.jpg", "\xe9.jpg").encode("latin-1"), "not UTF-8"),
    "unknown target": (
        "image_path,target_name,target\none,Dry_Totl_g,5\n",
        "line 2, column `target_name`: `Dry_Totl_g` is not a target",
    ),
    "long twice": (
        "image_path,target_name,target\none,GDM_g,5\none,GDM_g,6\n",
        "line 3: `one` and `GDM_g` appears a second time",
    ),
    "broken identity": (
        "image_path,Dry_Total_g,GDM_g\none,10,50\ntwo,10,5\nthree,10,5\n",
        r"line 2: the masses of `one` \(GDM_g 50, Dry_Total_g 10\) miss .* by up to 20",
    ),
    "ambiguous": (
        GOOD + "five.jpg,3\n",
        "`five.jpg` could be any of 2 photos",
    ),
}


@pytest.mark.parametrize("mistake", WRONG_CELLS)
def test_a_cell_that_cannot_be_trusted_stops_it_and_is_named(read, mistake):
    text, words = WRONG_CELLS[mistake]
    with pytest.raises(CutsTableError, match=words) as caught:
        read(text, photos=[*PHOTOS, "north/five.jpg", "south/five.jpg"])
    assert "would mislead the calibration" in str(caught.value)


def test_every_problem_is_named_at_once(read):
    with pytest.raises(CutsTableError, match=r"2 problem\(s\)(.|\n)*line 2(.|\n)*line 4"):
        read(GOOD.replace("10", "-1").replace("30", "x"))


def test_a_sum_that_is_slightly_off_is_a_warning(read):
    text = "image_path,Dry_Total_g,GDM_g,Dry_Dead_g\none,10.2,5,5\ntwo,10,5,5\nthree,10,5,5\n"
    (warning,) = read(text).warnings
    assert warning.startswith("line 2: the masses of `one`")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("plot,Dry_Total_g\n1,2\n", "no column names the photos"),
        ("image_path,weight\none,2\n", "no column holds masses"),
        ("", "no column names the photos"),
    ],
)
def test_a_table_of_other_columns_says_what_is_expected(read, text, words):
    with pytest.raises(UnknownLayoutError, match=words) as caught:
        read(text)
    assert "A row a photo: its path or id in `image_path`" in str(caught.value)
    assert caught.value.exit_code == 2


def test_too_few_and_too_many_cuts_are_refused_with_advice(read):
    few = "\n".join(GOOD.splitlines()[:3])
    with pytest.raises(CutCountError, match=rf"2 usable cut\(s\)\. Weigh at least {LEAST_CUTS}"):
        read(few)
    with pytest.raises(CutCountError, match=r"0 usable cut\(s\) \(2 more were left out: one"):
        read(few, photos=["other.jpg"])
    photos = [f"p{number}.jpg" for number in range(MOST_CUTS + 1)]
    many = "image_id,GDM_g\n" + "".join(f"p{number},5\n" for number in range(MOST_CUTS + 1))
    with pytest.raises(CutCountError, match=r"301 usable .* add them to the labels"):
        read(many, photos=photos)
    assert len(read(many.removesuffix("p300,5\n"), photos=photos).table) == MOST_CUTS


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(MissingInputError, match=r"no table of cuts at nothere\.csv.*`--cuts`"):
        read_cuts("nothere.csv", PHOTOS, spec=SPEC, base=tmp_path)


def test_one_target_without_identities_needs_no_sums(read):
    spec = DataConfig(targets=(TargetConfig(name="mass"),), identities={})
    found = read(GOOD.replace("Dry_Total_g", "mass"), spec=spec)
    assert found.table.columns.tolist() == ["image_id", "path", "mass"]
