"""The figure of a machine's speed."""

import io

import pytest
from PIL import Image

from biomass_pipeline.benchmark import FolderLoad
from biomass_pipeline.reporting import DARK, LIGHT, speed_figure
from biomass_pipeline.reporting.speed import draw_speed
from biomass_pipeline_tests.benchmark.conftest import found

__all__ = ["found"]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("with_folder", [True, False])
def test_the_figure_is_a_small_png(found, theme, with_folder):
    if not with_folder:
        found = type(found)(**{**vars(found), "folder": None})
    png = speed_figure(found, theme=theme)
    assert len(png) < 150_000
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        assert image.width > 600


@pytest.mark.parametrize(
    ("n_tiles", "unit"), [(10**6, "hours"), (10**4, "minutes"), (100, "seconds"), (1, "seconds")]
)
def test_hours_are_told_in_a_unit_that_fits(found, n_tiles, unit):
    folder = FolderLoad("photos", 1, 1, n_tiles, 1, 0)
    figure = draw_speed(type(found)(**{**vars(found), "folder": folder}))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:2] == ["vit: tiles a second", f"{unit} for 1 photos, {n_tiles:,} tiles"]


def test_bars_are_what_was_measured(found):
    rates, stages, *_ = draw_speed(found).axes
    assert [bar.get_width() for bar in rates.patches] == [10, 8, 40, 20, 19]
    assert "50% of its products" in [text.get_text().partition(", ")[2] for text in rates.texts]
    assert max(bar.get_width() for bar in stages.patches) == pytest.approx(1.0)
