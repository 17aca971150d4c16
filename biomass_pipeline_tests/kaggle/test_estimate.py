"""Arithmetic of a kernel's time and memory, and the sentences about it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import Config, parse_config
from biomass_pipeline.features.naming import NETWORKS
from biomass_pipeline.kaggle.estimate import (
    MEMORY_BYTES,
    Rate,
    Work,
    estimate,
    expected_rate,
    tile_flops,
)

CONFIG = Config()


def test_a_vit_large_takes_what_it_was_measured_to_take():
    """1.017 TFLOP a tile of 518 px, counted with the class token and the patch embedding."""
    assert tile_flops(NETWORKS["dinov2_vitl14"], tile_px=518) == pytest.approx(1.017e12, rel=0.01)
    assert tile_flops(NETWORKS["dinov2_vits14"], tile_px=518) == pytest.approx(94e9, rel=0.02)


@given(st.integers(1, 2000), st.integers(1, 40))
def test_twice_the_tiles_take_twice_as_long(n_photos, tiles):
    rate = Rate(10.0, "assumed")
    one = estimate(Work(n_photos, n_photos * tiles), CONFIG, rate=rate)
    two = estimate(Work(2 * n_photos, 2 * n_photos * tiles), CONFIG, rate=rate)
    assert two.extraction_s == pytest.approx(2 * one.extraction_s)
    assert one.extraction_s == pytest.approx(n_photos * tiles / 10)
    assert one.training_s == 0


def test_five_folds_of_fifty_epochs_take_what_was_measured():
    """19.6 s for 286 training photos of 15 tiles with 1,024 numbers each."""
    config = parse_config({"training": {"epochs": 50, "n_seeds": 1}}, source="test")
    rows = round(286 / 0.8) * 15
    work = Work(0, 0, n_rows=rows, n_learnt_rows=rows)
    found = estimate(work, config, rate=Rate(0.0, "", 1024))
    assert found.training_s - 5 * 5 == pytest.approx(19.6, rel=0.02)


def test_memory_grows_with_what_is_held(monkeypatch):
    rate = Rate(1.0, "", 1024)
    base = estimate(Work(1, 1), CONFIG, rate=rate).peak_bytes
    held = estimate(Work(1, 1, n_rows=10**6, n_learnt_rows=1), CONFIG, rate=rate).peak_bytes
    assert held - base == pytest.approx(14 * 1024 * 10**6)
    giant = parse_config({"backbone": {"name": "dinov2_vitg14"}}, source="test")
    assert estimate(Work(1, 1), giant, rate=rate).peak_bytes - base == pytest.approx(
        9.06e9, rel=0.01
    )


def test_a_rate_is_measured_or_assumed_and_says_which():
    free = expected_rate(CONFIG)
    assert (free.tiles_per_s, free.feature_dim) == (31.08, 1232)
    assert "measured" in free.source
    large = expected_rate(parse_config({"backbone": {"name": "dinov2_vitl14_reg"}}, source="test"))
    assert large.tiles_per_s == pytest.approx(4.6, abs=0.1)
    assert (large.feature_dim, large.source[:7]) == (1024, "assumed")
    other = expected_rate(parse_config({"backbone": {"name": "timm:resnet18"}}, source="test"))
    assert (other.tiles_per_s, other.source) == (0.0, "the kernel measures how fast")


def test_what_is_within_the_limits_is_said_without_a_warning():
    found = estimate(Work(357, 5355), CONFIG, rate=Rate(31.08, "measured", 1232))
    assert list(found.lines()) == [
        "to embed: 357 photos, 5355 tiles; 31.1 tiles/s, measured",
        "expected: 2.9 min of embedding, peak memory 1.3 GB; limits: 12 h, 31 GB",
    ]


def test_too_many_hours_and_too_much_memory_are_warnings_with_advice():
    rate = Rate(0.1, "assumed", 4096)
    work = Work(357, 5355, n_rows=10**6, n_learnt_rows=10**6)
    *_, hours, memory = estimate(work, CONFIG, rate=rate).lines(limit_hours=9)
    assert hours.startswith("WARNING: about ")
    assert "over the limit of 9 h" in hours
    assert "smaller backbone" in hours
    assert memory.startswith("WARNING: about ")
    assert f"{MEMORY_BYTES / 1e9:.0f} GB" in memory
