"""Ratios, hours and the JSON are arithmetic on what was measured."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.benchmark import FolderLoad, as_json


def test_ratios_by_eye(found):
    vit, plain = found.models
    assert [vit.ideal_tiles_per_s(rate) for rate in vit.precisions] == [10, 40]
    assert [vit.over_gemm(rate) for rate in vit.precisions] == [0.8, 0.5]
    assert vit.pipeline_over_bare == 0.95
    assert vit.used.precision == "bf16"
    assert plain.over_gemm(plain.used) is None


def test_stages_by_eye(found):
    vit, plain = found.models
    assert found.stage_tiles_per_s(vit) == {
        "decode": 3000,
        "matrix products": 40,
        "backbone": 20,
        "cache": 100_000,
        "pipeline": 19,
    }
    assert "matrix products" not in found.stage_tiles_per_s(plain)


@given(n_tiles=st.integers(1, 10**9), rate=st.floats(0.1, 1e4))
def test_hours_times_rate_is_the_tiles(n_tiles, rate):
    hours = FolderLoad("photos", 1, 1, n_tiles, 1, 0).hours(rate)
    assert hours * 3600 * rate == pytest.approx(n_tiles)


def test_the_json_has_ratios_first_and_says_where_it_was_taken(found):
    plain = json.loads(json.dumps(as_json(found)))
    assert next(iter(plain)) == "ratios"
    assert plain["ratios"]["vit"] == {
        "fp32_over_gemm": 0.8,
        "bf16_over_gemm": 0.5,
        "pipeline_over_bare": 0.95,
    }
    assert plain["ratios"]["colours"] == {"pipeline_over_bare": 0.95}
    assert plain["hours"]["vit"] == 1.0
    assert {"machine", "versions", "commit", "decode", "models", "cache", "folder"} <= set(plain)


def test_no_folder_has_no_hours(found):
    without = type(found)(**{**vars(found), "folder": None})
    assert as_json(without)["hours"] == {}
