"""The picture says what it shows, in numbers that add up, and leaves nodata white."""

import io

import numpy as np
import pytest
from PIL import Image

from biomass_pipeline.reporting.maps import Ground, TileMap
from biomass_pipeline.reporting.maps.overlay import Drawing, _drawn, figure_of, overlay_png

QUADRAT = Ground(0.5)
GREY = np.full((16, 32, 3), 128, np.uint8)


def map_of(values=(1.0, 4.0), **options):
    boxes = np.array([[0, 0, 16, 16], [0, 16, 16, 16]])
    options = {"kind": "contribution", "target": "total_g", **options}
    return TileMap(16, 32, boxes, np.array(values), **options)


def drawn(tile_map, ground=QUADRAT, **look):
    return _drawn(GREY, tile_map, ground=ground, look=Drawing(**look), valid=None)


def words(figure):
    """All that is written on a figure, by panel and around."""
    inside = [text.get_text() for axes in figure.axes for text in axes.texts]
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    labels = [axes.get_ylabel() for axes in figure.axes]
    below = figure._supxlabel.get_text() if figure._supxlabel else ""
    return inside, titles, labels, figure._suptitle.get_text(), below


def painted(tile_map, **options):
    """The colours of the map's panel, shape (row, col, 3)."""
    look = Drawing(with_photo=False)
    figure = _drawn(GREY, tile_map, ground=QUADRAT, look=look, valid=options.get("valid"))
    return np.asarray(figure.axes[0].images[0].get_array())


def test_a_person_finds_the_prediction_and_how_to_read_the_map():
    inside, titles, labels, title, below = words(drawn(map_of(), note="By the networks."))
    assert title == "total_g: 5.00 g in the photo, 100 kg DM/ha"
    assert titles[:2] == [
        "The photo",
        "Where the networks find total_g: g in each cell, 5.00 g in all",
    ]
    assert inside == ["1.00", "4.00"]
    assert labels[-1] == "kg DM/ha"
    assert below == "By the networks."


def test_the_bars_two_scales_belong_together():
    """Two cells: a kilogram a hectare is 0.05 g in the quadrat, so half of it in a cell."""
    figure = drawn(map_of())
    bar = figure.axes[-1]
    (grams,) = bar.child_axes
    assert grams.get_ylabel() == "g per cell"
    figure.canvas.draw()
    assert np.array(grams.get_ylim()) == pytest.approx(np.array(bar.get_ylim()) * 0.025)


def test_attention_is_called_attention():
    _, titles, *_ = words(drawn(map_of(kind="attention")))
    assert titles[1].startswith("The prediction divided up by where the networks looked, not by")


def test_beside_each_other_captions_stay_in_their_panels():
    boxes = np.array([[0, 0, 32, 32]])
    tile_map = TileMap(32, 32, boxes, np.array([5.0]), "attention", "total_g")
    photo = np.full((32, 32, 3), 128, np.uint8)
    figure = _drawn(photo, tile_map, ground=QUADRAT, look=Drawing(), valid=None)
    figure.canvas.draw()
    (title,) = [
        each for each in figure.axes[1].get_children() if each is figure.axes[1]._left_title
    ]
    assert "\n" in title.get_text()
    assert title.get_window_extent().x1 < figure.axes[2].get_window_extent().x0 + 5


def test_other_units_have_one_scale():
    figure = drawn(map_of(unit="share"))
    inside, titles, labels, title, _ = words(figure)
    assert title == "total_g: 5.00 share"
    assert titles[1] == "Where the networks find total_g: each cell's part of 5.00 share"
    assert labels[-1] == "share"
    assert not figure.axes[-1].child_axes
    assert inside == ["1.00", "4.00"]


def test_an_orthomosaic_has_metres_and_a_mean_instead_of_numbers():
    figure = drawn(map_of(), Ground(0.5, px_area_m2=4.0))
    inside, _, _, title, _ = words(figure)
    assert title == "total_g: 100 kg DM/ha on average"
    # 64 m wide: a fifth is 12.8 m.
    assert inside == ["10 m"]
    assert figure.axes[-1].child_axes[0].get_ylabel() == "g per cell of 1,020 m²"


def test_colours_follow_the_densities():
    colours = painted(map_of())
    assert len(np.unique(colours.reshape(-1, 3), axis=0)) == 2
    np.testing.assert_array_equal(colours[:, 16:], painted(map_of((4.0, 1.0)))[:, :16])
    left, right = colours[0, 0].astype(int), colours[0, -1].astype(int)
    assert right.sum() > left.sum() + 60


def test_a_given_top_makes_maps_comparable():
    figure = drawn(map_of(), top=1000.0)
    assert figure.axes[-1].get_ylim() == (0.0, 1000.0)


def test_nodata_is_white():
    valid = np.ones((16, 32), bool)
    valid[:, :4] = False
    colours = painted(map_of(), valid=valid)
    assert (colours[:, :4] == 255).all()
    assert (colours[:, 4:] < 255).all(axis=2).all()


def test_it_is_a_png_of_about_the_width():
    png = overlay_png(GREY, map_of(), ground=QUADRAT, drawing=Drawing(width_px=500))
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        assert abs(image.width - 500) <= 1


def test_few_colours_make_a_small_file():
    photo = np.random.default_rng(0).integers(0, 255, (160, 320, 3)).astype(np.uint8)
    whole, small = (
        overlay_png(photo, map_of(), ground=QUADRAT, drawing=Drawing(palette=palette, width_px=640))
        for palette in (None, 64)
    )
    assert len(small) < len(whole) / 2


def test_nothing_predicted_is_drawn_as_well():
    inside, *_ = words(drawn(map_of((0.0, 0.0))))
    assert inside == ["0", "0"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.0, "12,300"), (0.5, "0.500"), (0.00001, "0.0000"), (99.96, "100.0"), (0.0, "0")],
)
def test_figures_have_three_digits(value, text):
    assert figure_of(value) == text
