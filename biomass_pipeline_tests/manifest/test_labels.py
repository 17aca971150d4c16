from dataclasses import replace
from types import MappingProxyType

import pandas as pd
import pytest

from biomass_pipeline.config import CSIRO_TARGETS, DataConfig, TargetConfig
from biomass_pipeline.errors import LabelTableError, MissingInputError, UnknownLayoutError
from biomass_pipeline.manifest import LabelSheet, label_table, read_labels

CSIRO = DataConfig()


@pytest.fixture
def read(tmp_path):
    def from_file(location, spec=CSIRO):
        return read_labels(location, base=tmp_path, spec=spec)

    return from_file


@pytest.fixture
def problems(read):
    """The lines of the error that reading a file raises."""

    def of(location, spec=CSIRO):
        with pytest.raises(LabelTableError) as caught:
            read(location, spec)
        lines = str(caught.value).splitlines()
        return [line.removeprefix("  - ") for line in lines if line.startswith("  - ")]

    return of


@pytest.fixture
def wide(put):
    """Write a wide file of the rows given."""

    def write(*rows, header="image_path,date,mass"):
        put("labels.csv", "\n".join([header, *rows]) + "\n")
        return "labels.csv"

    return write


def change(number, old, new):
    """An edit of one line (the header is line 1)."""

    def edit(lines):
        assert old in lines[number - 1]
        return [
            line.replace(old, new) if i == number else line for i, line in enumerate(lines, start=1)
        ]

    return edit


def test_the_long_layout_becomes_one_row_an_image(csiro, read):
    sheet = read(csiro({"image": "ID1"}, {"image": "ID2", "date": "9/5/2015", "dead": 0.0}))
    assert sheet.table["image_path"].tolist() == ["train/ID1.png", "train/ID2.png"]
    assert sheet.table["Sampling_Date"].tolist() == ["2015-09-04", "2015-09-05"]
    assert sheet.table.columns.tolist()[1:6] == list(CSIRO.target_names)
    assert sheet.table[list(CSIRO.target_names)].to_numpy().tolist() == [
        [1.0, 2.0, 3.0, 4.0, 6.0],
        [1.0, 0.0, 3.0, 4.0, 4.0],
    ]
    assert sheet.lines.tolist() == [2, 7]
    assert sheet.targets == CSIRO.target_names
    assert sheet.warnings == ()
    assert {"target", "target_name", "sample_id"}.isdisjoint(sheet.table.columns)


def test_both_layouts_of_the_same_labels_are_equal(csiro, read, tmp_path):
    long = read(csiro({"image": "ID1"}, {"image": "ID2", "green": 0.2}))
    long.table.to_csv(tmp_path / "wide.csv", index=False)
    wide = read("wide.csv", CSIRO.model_copy(update={"layout": "wide"}))
    pd.testing.assert_frame_equal(wide.table, long.table)


def test_the_order_of_rows_does_not_matter(csiro, read):
    def shuffled(lines):
        return [lines[0], *sorted(lines[1:], key=lambda line: line[::-1])]

    images = [{"image": f"ID{i}", "green": float(i)} for i in range(4)]
    ordered, mixed = read(csiro(*images)).table, read(csiro(*images, edit=shuffled)).table
    mixed = mixed.sort_values("image_path", ignore_index=True)
    pd.testing.assert_frame_equal(ordered, mixed)


def test_one_day_in_two_spellings_is_one_group(csiro, read):
    table = read(csiro({"image": "ID1", "date": "2015/9/4"}, {"image": "ID2", "date": "9/4/2015"}))
    assert table.table["Sampling_Date"].tolist() == ["2015-09-04"] * 2


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_dialects_of_csv_are_read(put, read, wide_spec, mark, delimiter, newline):
    lines = ["image_path,date,mass", "é.png,2015/9/4,1.5", "", "b.png, 2015/9/4 ,2", ",,"]
    text = newline.join(lines).replace(",", delimiter)
    put("labels.csv", (mark + text).encode())
    sheet = read("labels.csv", wide_spec)
    assert sheet.table["image_path"].tolist() == ["é.png", "b.png"]
    assert sheet.table["mass"].tolist() == [1.5, 2.0]
    assert sheet.lines.tolist() == [2, 4]


def test_a_cell_over_two_lines_does_not_shift_the_numbers(wide, problems, wide_spec):
    name = wide(
        'a.png,2015/9/4,1,"two', 'lines"', "b.png,2015/9/4,x,", header="image_path,date,mass,note"
    )
    assert problems(name, wide_spec) == ["line 4, column `mass`: `x` is not a number"]


def test_parquet_is_read_by_row(tmp_path, read, problems, wide_spec):
    table = pd.DataFrame(
        {
            "image_path": ["a.png", "b.png"],
            "date": pd.to_datetime(["2015-09-04", "2015-09-05"]),
            "mass": [1.5, 2.0],
            "note": [None, "x"],
        }
    )
    table.to_parquet(tmp_path / "labels.parquet")
    sheet = read("labels.parquet", wide_spec)
    assert sheet.table["date"].tolist() == ["2015-09-04", "2015-09-05"]
    assert sheet.table["note"].tolist() == ["", "x"]
    table.assign(mass=[1.5, float("nan")]).set_index("image_path").to_parquet(
        tmp_path / "labels.parquet"
    )
    assert problems("labels.parquet", wide_spec) == ["row 2, column `mass`: is empty"]


def test_labels_may_lie_behind_a_url(put, read, wide_spec):
    path = put("labels.csv", "image_path,date,mass\na.png,2015/9/4,1\n")
    assert len(read(f"file://{path}", wide_spec).table) == 1


def test_a_missing_file_is_named(read):
    with pytest.raises(MissingInputError, match=r"no label file at .*gone.csv.*`data.labels`"):
        read("gone.csv")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"image_path,date,mass\n\xff\xfe,1,2\n", "byte 21 is not UTF-8 text"),
        (b"PAR1 but damaged PAR1", "not a readable Parquet file"),
        (b"image_path,date,mass,mass\na,b,1,1\n", "line 1: column `mass` appears twice"),
        (b"image_path,date,mass\na,2015/9/4\n", "line 2: 2 cells, but the header has 3"),
        (b"image_path,date,mass\n", "there is no label below the header"),
    ],
)
def test_a_file_that_is_no_table_is_refused(put, problems, wide_spec, content, words):
    put("labels.csv", content)
    assert words in problems("labels.csv", wide_spec)[0]


def test_an_unknown_layout_names_what_is_missing_and_found(put, read):
    put("labels.csv", "photo,State,Sampling_Date,target_name,target\n")
    with pytest.raises(UnknownLayoutError, match=r"missing column\(s\) `image_path`.*photo, State"):
        read("labels.csv")


def test_an_empty_file_has_no_columns(put, read):
    put("labels.csv", "")
    with pytest.raises(UnknownLayoutError, match="Its columns: none"):
        read("labels.csv")


def test_the_other_layout_is_proposed_where_it_fits(csiro, wide, read, wide_spec):
    with pytest.raises(UnknownLayoutError, match=r"set `data.layout: wide`"):
        read(wide(), wide_spec.model_copy(update={"layout": "long"}))
    with pytest.raises(UnknownLayoutError, match=r"set `data.layout: long`"):
        read(csiro({"image": "ID1"}), CSIRO.model_copy(update={"layout": "wide"}))


def test_a_test_file_is_recognised(put, read):
    put("test.csv", "sample_id,image_path,target_name\nID1__GDM_g,test/ID1.jpg,GDM_g\n")
    with pytest.raises(UnknownLayoutError, match=r"no `target` column.*test file"):
        read("test.csv")


def test_a_missing_group_column_is_named(wide, read, wide_spec):
    spec = wide_spec.model_copy(update={"group_columns": ("date", "plot")})
    with pytest.raises(UnknownLayoutError, match=r"missing column\(s\) `plot`"):
        read(wide("a.png,2015/9/4,1"), spec)


def test_all_problems_are_listed_in_file_order(wide, problems, wide_spec):
    name = wide(
        "a.png,2015/9/4,1",
        "b.png,4.9.2015,",
        "c.png,2015/9/4,-1",
        ",2015/9/4,3",
        "a.png,2015/9/4,1",
        "d.png,,1e400",
    )
    assert problems(name, wide_spec) == [
        (
            "line 3, column `date`: `4.9.2015` is not a date "
            "(2015-09-04, 2015/9/4, 9/4/2015 month first)"
        ),
        "line 3, column `mass`: is empty",
        "line 4, column `mass`: `-1` is negative",
        "line 5, column `image_path`: is empty",
        "line 6: image `a.png` appears twice",
        "line 7, column `date`: is empty",
        "line 7, column `mass`: `1e400` is infinite",
    ]


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (
            change(3, ",2.0", ",NaN"),
            "line 3, column `target` (Dry_Dead_g of train/ID1.png): `NaN` is not a number",
        ),
        (
            change(3, "train/ID1.png,2015/9/4,WA", "train/ID1.png,2015/9/4,NSW"),
            "line 3, column `State`: `NSW`, but `WA` in an earlier row of image `train/ID1.png`",
        ),
        (
            change(3, "0.62,4.5,Dry_Dead_g", "0.62,4.5,Dry_Deed_g"),
            (
                "line 3, column `target_name`: `Dry_Deed_g` is not a configured target "
                "(Dry_Green_g, Dry_Dead_g, Dry_Clover_g, GDM_g, Dry_Total_g)"
            ),
        ),
        (
            lambda lines: [*lines[:2], *lines[3:]],
            "line 2: image `train/ID1.png` has no row for target `Dry_Dead_g`",
        ),
        (
            lambda lines: [*lines, lines[3]],
            "line 12: a second row for target `Dry_Clover_g` of image `train/ID1.png`",
        ),
        (
            change(6, ",6.0", ",9.0"),
            (
                "line 2: image `train/ID1.png` has Dry_Total_g 9 g, but GDM_g + Dry_Dead_g is 6 g "
                "(3 g apart)"
            ),
        ),
    ],
)
def test_a_broken_long_file_is_refused(csiro, problems, edit, problem):
    assert problem in problems(csiro({"image": "ID1"}, {"image": "ID2"}, edit=edit))


def test_the_same_day_spelled_twice_is_no_contradiction(csiro, read):
    edit = change(3, "2015/9/4", "9/4/2015")
    assert len(read(csiro({"image": "ID1"}, edit=edit)).table) == 1


def test_a_component_without_any_row_is_missing(csiro, problems):
    def edit(lines):
        return [line for line in lines if "Dry_Dead_g" not in line]

    assert problems(csiro({"image": "ID1"}, edit=edit)) == [
        "line 2: image `train/ID1.png` has no row for target `Dry_Dead_g`"
    ]


def test_a_target_that_every_image_has_may_be_left_out(csiro, read):
    spec = DataConfig(targets=CSIRO_TARGETS[:4], identities={"GDM_g": CSIRO.identities["GDM_g"]})
    sheet = read(csiro({"image": "ID1"}, {"image": "ID2"}), spec)
    assert "Dry_Total_g" not in sheet.table.columns
    assert sheet.warnings == ("target `Dry_Total_g` is not configured and left out",)


def test_a_sum_slightly_off_is_a_warning(csiro, read):
    sheet = read(csiro({"image": "ID1"}, {"image": "ID2", "Dry_Total_g": 6.31}))
    assert sheet.warnings == (
        (
            "line 7: image `train/ID2.png` has Dry_Total_g 6.31 g, but GDM_g + Dry_Dead_g is 6 g "
            "(0.31 g apart)"
        ),
    )
    assert sheet.table["Dry_Total_g"].tolist() == [6.0, 6.31]


def test_rounding_is_no_warning(csiro, read):
    assert read(csiro({"image": "ID1", "GDM_g": 4.0001})).warnings == ()


@pytest.mark.parametrize("layout", ["long", "wide"])
def test_a_sum_that_the_file_lacks_is_computed(csiro, read, layout, tmp_path):
    def edit(lines):
        return [line for line in lines if "GDM_g" not in line and "Total" not in line]

    name = csiro({"image": "ID1"}, edit=edit)
    if layout == "wide":
        read(name).table.drop(columns=["GDM_g", "Dry_Total_g"]).to_csv(tmp_path / name, index=False)
    sheet = read(name, CSIRO.model_copy(update={"layout": layout}))
    assert sheet.table[["GDM_g", "Dry_Total_g"]].to_numpy().tolist() == [[4.0, 6.0]]
    assert sheet.warnings == (
        "`GDM_g` is not in the file: computed as Dry_Green_g + Dry_Clover_g",
        "`Dry_Total_g` is not in the file: computed as GDM_g + Dry_Dead_g",
    )


def manifest_of(*paths, quarantined=MappingProxyType({})):
    return pd.DataFrame(
        {
            "image_id": [path.rpartition(".")[0] for path in paths],
            "path": list(paths),
            "status": ["quarantined" if path in quarantined else "ok" for path in paths],
            "reason": [quarantined.get(path, "") for path in paths],
        }
    )


@pytest.fixture
def sheet():
    table = pd.DataFrame(
        {
            "image_path": ["c.png", "a.png", "b.png", "gone.png"],
            "mass": [3.0, 1.0, 2.0, 9.0],
            "date": ["2015-09-04", "2015-09-05", "2015-09-04", "2015-09-04"],
            "height": ["4.5", "5", "6e1", "1"],
            "species": ["Rye", "12", "Rye", "Rye"],
            "group": ["x", "y", "z", "w"],
        }
    )
    return LabelSheet("labels.csv", table, pd.Series([2, 3, 4, 5]), ("mass",), ("date",))


def test_labels_are_joined_in_the_order_of_the_manifest(sheet, wide_spec):
    manifest = manifest_of(
        "a.png",
        "b.png",
        "c.png",
        "d.png",
        "gone.png",
        quarantined={"b.png": "truncated", "gone.png": "label without photo"},
    )
    table = label_table(sheet, manifest, spec=wide_spec)
    assert table["image_id"].tolist() == ["a", "c"]
    assert table["mass"].tolist() == [1.0, 3.0]
    assert table["group"].tolist() == ["date=2015-09-05", "date=2015-09-04"]
    assert table.columns.tolist() == (
        ["image_id", "mass", "date", "group", "height", "species", "group_in_labels"]
    )
    assert table["height"].tolist() == [5.0, 4.5]
    assert table["species"].tolist() == ["12", "Rye"]


def test_group_names_are_joined_and_stay_distinct(sheet, wide_spec):
    sheet.table["date"] = ["a|species=b", "a", "a", "a"]
    sheet.table["species"] = ["c", "b|species=c", "c", "c"]
    spec = wide_spec.model_copy(update={"group_columns": ("date", "species")})
    manifest = manifest_of("a.png", "b.png", "c.png")
    table = label_table(sheet, manifest, spec=spec)
    assert table["group"].tolist()[1] == "date=a|species=c"
    assert table["group"].nunique() == 3


def test_without_group_columns_each_content_is_a_group(sheet, wide_spec):
    spec = wide_spec.model_copy(update={"group_columns": ()})
    manifest = manifest_of("a.png", "b.png", "c.png").assign(sha256=["1", "2", "1"])
    table = label_table(sheet, manifest, spec=spec)
    assert table["group"].tolist() == ["1", "2", "1"]


@pytest.mark.parametrize("name", ["row", "status", "sha256", "path"])
def test_no_column_of_the_users_is_lost_whatever_its_name(sheet, wide_spec, name):
    named = replace(sheet, table=sheet.table.assign(**{name: "mine"}))
    manifest = manifest_of("a.png", "b.png", "c.png").assign(sha256="", labelled=True)
    assert set(label_table(named, manifest, spec=wide_spec)[name]) == {"mine"}
    assert set(named.table[name]) == {"mine"}


def test_no_labelled_photo_gives_an_empty_table(sheet, wide_spec):
    empty = label_table(sheet, manifest_of("x.png"), spec=wide_spec)
    assert len(empty) == 0
    assert empty["mass"].dtype == "float64"


def test_a_label_of_two_photos_is_refused_by_line(sheet, wide_spec):
    with pytest.raises(LabelTableError, match=r"line 3: `a.png` could be any of 2 photos"):
        label_table(sheet, manifest_of("x/a.png", "y/a.png", "b.png"), spec=wide_spec)


def test_a_date_column_may_be_absent_or_unused(wide, read):
    spec = DataConfig(
        layout="wide", targets=(TargetConfig(name="mass"),), identities={}, group_columns=("plot",)
    )
    for date_column in ("Sampling_Date", None):
        sheet = read(
            wide("a.png,4.9.2015,1,P", header="image_path,date,mass,plot"),
            spec.model_copy(update={"date_column": date_column}),
        )
        assert sheet.table["date"].tolist() == ["4.9.2015"]
