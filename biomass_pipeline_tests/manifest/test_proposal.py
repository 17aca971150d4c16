"""The configuration that a label file asks for: its layout, targets, sums, units and groups."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import CSIRO_IDENTITIES, CSIRO_TARGETS, DataConfig, TilingConfig
from biomass_pipeline.errors import UnclearLabelsError
from biomass_pipeline.manifest import n_groups, propose_data, propose_tiling, read_cells

N = 12


def wide(n_rows=N, **columns):
    """A table of text as it is read: a row a photo, four visits."""
    frame = {
        "image_path": [f"images/p{i}.png" for i in range(n_rows)],
        "date": [f"2018-03-{10 + i % 4}" for i in range(n_rows)],
        **columns,
    }
    return pd.DataFrame(frame).astype("str")


def grams(seed=0):
    return np.random.default_rng(seed).uniform(1, 50, N).round(2)


def long(masses, **columns):
    """CSIRO's layout: a row a photo and target."""
    rows = [
        {
            "sample_id": f"p{i}__{name}",
            "image_path": f"train/p{i}.jpg",
            "Sampling_Date": f"2015/9/{1 + i % 3}",
            "State": ["WA", "NSW"][i % 2],
            "Pre_GSHH_NDVI": "0.5",
            "target_name": name,
            "target": str(values[i]),
            **columns,
        }
        for i in range(N)
        for name, values in masses.items()
    ]
    return pd.DataFrame(rows).astype("str")


def csiro():
    green, clover, dead = grams(1), grams(2), grams(3)
    return {
        "Dry_Clover_g": clover,
        "Dry_Dead_g": dead,
        "Dry_Green_g": green,
        "Dry_Total_g": (green + clover + dead).round(2),
        "GDM_g": (green + clover).round(2),
    }


def config_of(data):
    """The proposal as the configuration reads it: it must be valid."""
    return DataConfig.model_validate({"images": "x", "labels": "y", **data})


class TestLong:
    def test_csiro_gets_its_weights_sums_and_groups(self):
        data = propose_data(long(csiro()))
        config = config_of(data)
        assert config.layout == "long"
        assert config.target_weights == {target.name: target.weight for target in CSIRO_TARGETS}
        assert {total: tuple(parts) for total, parts in data["identities"].items()} == (
            CSIRO_IDENTITIES
        )
        assert config.group_columns == ("State", "Sampling_Date")
        assert config.date_column == "Sampling_Date"
        assert {target.unit for target in config.targets} == {"g"}

    def test_some_of_csiros_targets_keep_the_sums_among_them(self):
        config = config_of(propose_data(long(csiro()), targets=["Dry_Total_g", "GDM_g"]))
        assert config.target_weights == {"Dry_Total_g": 0.5, "GDM_g": 0.2}
        assert config.identities == {}

    def test_other_targets_get_the_sums_that_hold(self):
        leaf, stem = grams(1), grams(2)
        config = config_of(propose_data(long({"leaf": leaf, "all": leaf + stem, "stem": stem})))
        assert config.identities == {"all": ("leaf", "stem")}
        assert set(config.target_weights.values()) == {1.0}

    def test_a_test_file_has_nothing_to_learn_from(self):
        with pytest.raises(UnclearLabelsError, match="no `target` column, as in the test file"):
            propose_data(long(csiro()).drop(columns="target"))

    def test_target_without_target_name_is_a_wide_table(self):
        config = config_of(propose_data(wide(target=grams())))
        assert (config.layout, config.target_names) == ("wide", ("target",))

    def test_a_target_that_a_photo_lacks_does_not_stop_it(self):
        cells = long(csiro()).iloc[1:]
        assert len(propose_data(cells)["targets"]) == 5


class TestWide:
    def test_one_fraction_grouped_by_date(self):
        plots = [f"FPWW{i}" for i in range(N)]
        data = propose_data(wide(plot=plots, wheat_fraction=np.linspace(0, 0.9, N)))
        config = config_of(data)
        assert config.layout == "wide"
        assert [(target.name, target.unit) for target in config.targets] == [
            ("wheat_fraction", "fraction")
        ]
        assert config.group_columns == ("date",)

    def test_descriptions_of_the_photo_are_no_targets(self):
        columns = {name: np.arange(N) for name in ("plot_id", "Height_Ave_cm", "year", "GSHH_NDVI")}
        config = config_of(propose_data(wide(**columns, fresh_mass=grams(), x=-grams())))
        assert config.target_names == ("fresh_mass",)

    def test_a_description_can_be_asked_for(self):
        config = config_of(propose_data(wide(height_cm=grams()), targets=["height_cm"]))
        assert config.target_names == ("height_cm",)

    def test_dates_written_as_numbers_group_but_are_no_targets(self):
        cells = wide(mass=grams()).assign(date=[f"2018031{i % 4}" for i in range(N)])
        config = config_of(propose_data(cells))
        assert config.target_names == ("mass",)
        assert config.group_columns == ("date",)
        assert config.date_column is None

    def test_a_site_groups_together_with_the_date(self):
        sites = ["a", "b"] * (N // 2)
        config = config_of(propose_data(wide(site=sites, mass=grams())))
        assert config.group_columns == ("site", "date")

    def test_without_a_date_a_block_groups(self):
        cells = wide(Block=["a", "b", "c"] * (N // 3), mass=grams()).drop(columns="date")
        config = config_of(propose_data(cells))
        assert config.group_columns == ("Block",)
        assert config.date_column is None

    def test_a_sum_of_three_is_found(self):
        a, b, c = grams(1), grams(2), grams(3)
        config = config_of(propose_data(wide(a=a, b=b, c=c, whole=(a + b + c).round(3))))
        assert config.identities == {"whole": ("a", "b", "c")}

    def test_parquet_reads_the_same(self, tmp_path):
        frame = wide().assign(mass=grams(), date=pd.to_datetime(wide()["date"]))
        frame.to_parquet(tmp_path / "labels.parquet", index=False)
        config = config_of(propose_data(read_cells("labels.parquet", base=tmp_path).frame))
        assert config.target_names == ("mass",)
        assert config.date_column == "date"


@given(seed=st.integers(0, 10_000), share_of_zeros=st.floats(0, 1))
def test_sums_are_never_circular(seed, share_of_zeros):
    chance = np.random.default_rng(seed)
    a = chance.uniform(0, 50, N) * (chance.uniform(size=N) > share_of_zeros)
    b = chance.uniform(0, 50, N) * (chance.uniform(size=N) > share_of_zeros)
    columns = {"a": a, "b": b, "c": a + b, "d": a + b, "e": np.maximum(a, b)}
    data = propose_data(wide(**columns), targets=list(columns))
    assert config_of(data).sum_order() == tuple(config_of(data).sum_order())
    for total, parts in data["identities"].items():
        assert total not in parts


@pytest.mark.parametrize(
    ("name", "largest", "unit"),
    [
        ("dry_g", 40, "g"),
        ("Fresh_Mass", 40, "g"),
        ("yield_kg", 40, "kg"),
        ("mass_kg", 40, "kg"),
        ("cover_pct", 90, "percent"),
        ("cover", 0.9, "fraction"),
        ("leaves", 40, "unit"),
    ],
)
def test_units_are_read_off_names_and_values(name, largest, unit):
    data = propose_data(wide(**{name: np.linspace(0, largest, N)}))
    assert data["targets"] == [{"name": name, "weight": 1.0, "unit": unit}]


class TestRefusals:
    @pytest.mark.parametrize(
        ("cells", "asked", "sentence"),
        [
            (pd.DataFrame({"a": ["1"], "date": ["x"]}), {}, "no column of image paths"),
            (wide().iloc[:0], {}, "no column of image paths"),
            (wide(), {}, "no column of numbers to predict"),
            (wide(mass=["1"] * N), {}, "numbers to predict that differ and are never negative"),
            (wide(m=grams()), {"targets": ["banana"]}, "no numbers called banana to predict"),
            (wide(m=grams()), {"groups": ["banana"]}, "no column banana to group by"),
            (wide(m=grams()).drop(columns="date"), {}, "no date or site column with two groups"),
            (wide(m=grams()).assign(date="2018-01-01"), {}, "with two groups or more"),
            (wide(m=grams(), s="x"), {"groups": ["s"]}, "with two groups or more"),
        ],
        ids=range(9),
    )
    def test_what_cannot_be_told_is_said_with_the_columns_and_the_options(
        self, cells, asked, sentence
    ):
        with pytest.raises(UnclearLabelsError, match=sentence) as raised:
            propose_data(cells, **asked)
        assert ", ".join(cells.columns) in str(raised.value)
        assert "`--target` and `--group`" in str(raised.value)


def test_two_spellings_of_a_day_are_one_group():
    cells = wide(n_rows=3, mass=["1", "2", "3"])
    cells["date"] = ["2018-03-01", "2018/3/1", "2018-03-02"]
    assert n_groups(cells, propose_data(cells)) == 2


def test_groups_are_counted_over_all_columns():
    cells = wide(site=["a", "b"] * (N // 2), mass=grams())
    assert n_groups(cells, {"group_columns": ["site"], "date_column": "date"}) == 2


@pytest.mark.parametrize(
    ("height_px", "width_px", "tile_px", "stride_px"),
    [
        (350, 350, 350, 262),
        (518, 518, 518, 400),
        (500, 1000, 294, 220),
        (1000, 2000, 518, 400),
        (2000, 1000, 518, 400),
        (864, 4000, 518, 400),
    ],
)
def test_tiles_fit_the_photos(height_px, width_px, tile_px, stride_px):
    assert propose_tiling(height_px, width_px) == {"tile_px": tile_px, "stride_px": stride_px}


@given(height_px=st.integers(1, 5000), width_px=st.integers(1, 5000))
def test_any_photo_gets_a_valid_tiling_that_a_vit_can_see(height_px, width_px):
    tiling = TilingConfig.model_validate(propose_tiling(height_px, width_px))
    assert tiling.tile_px % 14 == 0
    assert tiling.tile_px <= max(min(height_px, width_px), 14)


@given(height_px=st.integers(14, 518), width_px=st.integers(14, 518))
def test_a_photo_that_fits_one_window_is_seen_whole(height_px, width_px):
    tile_px = propose_tiling(height_px, width_px)["tile_px"]
    assert min(height_px, width_px) - 14 < tile_px <= min(height_px, width_px)
