"""A paddock's mean with what its photos share: adds up, and more photos do not make it certain."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.errors import UngroupedPhotosError
from biomass_pipeline.inference.combining import combine, no_photos
from biomass_pipeline.inference.paddocks import PADDOCK_COLUMNS, paddock_summary
from biomass_pipeline.mil.predictive import PredictionSpec
from biomass_pipeline.scoring import ErrorVariance
from biomass_pipeline_tests.inference.saying import LEVELS, TARGETS, chance_fold

VARIANCE = tuple(ErrorVariance(between=float(t), within=4.0 * t) for t in range(1, 6))


def prediction(n_photos, *, seed=0):
    fold = chance_fold(seed, n_photos=n_photos)
    return combine([fold], novelty=np.zeros(n_photos), variance=VARIANCE)


def summary(found, groups, **options):
    series = pd.Series(list(groups), index=[f"p{n}" for n in range(len(groups))])
    return paddock_summary(found, series, quadrat_area_m2=0.5, **options)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12), st.integers(0, 99))
def test_a_paddock_is_the_mean_of_its_photos_and_adds_up(groups, seed):
    found = prediction(len(groups), seed=seed)
    table = summary(found, groups)
    wide = table.pivot_table(index="group", columns="target", values="y_mean")
    assert wide["GDM_g"].to_numpy() == pytest.approx(wide["Dry_Green_g"] + wide["Dry_Clover_g"])
    photos = np.array(groups)
    for group in set(groups):
        mean = found.predictive.y[photos == group].mean(axis=0)
        assert wide.loc[group, list(TARGETS.names)].to_numpy() == pytest.approx(mean)
    assert table.groupby("target")["n_photos"].sum().unique().tolist() == [len(groups)]


@given(st.integers(1, 12), st.integers(1, 12))
def test_more_photos_narrow_a_mean_but_never_below_what_they_share(one, other):
    few, many = sorted((one, other))

    def errors(n):
        return summary(prediction(n), ["a"] * n)["standard_error"].to_numpy()

    assert (errors(many) <= errors(few)).all()
    assert (errors(many) >= np.sqrt([v.between for v in VARIANCE])).all()
    assert errors(few) == pytest.approx(np.sqrt([v.between + v.within / few for v in VARIANCE]))


def test_kilograms_a_hectare_follow_the_quadrat_where_grams_were_weighed():
    table = summary(prediction(2), ["a", "a"], in_grams=["Dry_Total_g"])
    assert list(table.columns) == list(PADDOCK_COLUMNS)
    total = table[table["target"] == "Dry_Total_g"].iloc[0]
    assert total["kg_dm_ha"] == pytest.approx(20 * total["y_mean"])
    assert total["kg_dm_ha_se"] == pytest.approx(20 * total["standard_error"])
    assert table.loc[table["target"] != "Dry_Total_g", "kg_dm_ha"].isna().all()


def test_what_was_not_predicted_is_ignored():
    groups = pd.Series(["a", "b", "z"], index=["p1", "p0", "elsewhere"])
    table = paddock_summary(prediction(2), groups, quadrat_area_m2=0.5)
    assert table["group"].unique().tolist() == ["a", "b"]


def test_a_photo_without_a_paddock_is_named():
    groups = pd.Series(["a", None], index=["p0", "p2"])
    with pytest.raises(UngroupedPhotosError, match=r"2 photo\(s\) have no paddock: p1, p2"):
        paddock_summary(prediction(3), groups, quadrat_area_m2=0.5)


def test_unknown_variance_is_no_standard_error():
    unknown = (ErrorVariance(np.nan, np.nan),) * 5
    table = summary(replace(prediction(1), variance=unknown), ["a"])
    assert table["standard_error"].isna().all()
    assert table["y_mean"].notna().all()


def test_no_photo_gives_all_columns_and_no_row():
    spec = PredictionSpec(LEVELS, 0.9, "pooled", n_draws=20, seed=0)
    empty = paddock_summary(no_photos(TARGETS, spec), pd.Series(dtype="str"), quadrat_area_m2=0.5)
    pd.testing.assert_series_equal(empty.dtypes, summary(prediction(1), ["a"]).dtypes)
