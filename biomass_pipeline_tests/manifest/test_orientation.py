import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.manifest.orientation import ORIENTATIONS, Window

# How each EXIF orientation stores an upright picture (EXIF 2.32, table 6).
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.T,
    6: lambda upright: upright.T[::-1],
    7: lambda upright: upright[::-1, ::-1].T,
    8: lambda upright: upright.T[:, ::-1],
}


@pytest.mark.parametrize("number", STORED)
@given(data=st.data(), height=st.integers(1, 9), width=st.integers(1, 9))
def test_a_window_turned_alone_is_the_window_of_the_turned_picture(number, data, height, width):
    upright = np.arange(height * width).reshape(height, width)
    stored, orientation = STORED[number](upright), ORIENTATIONS[number]
    np.testing.assert_array_equal(orientation.upright(stored), upright)
    assert orientation.upright_px(stored.shape) == upright.shape
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    window = Window(
        row,
        col,
        data.draw(st.integers(1, height - row)),
        data.draw(st.integers(1, width - col)),
    )
    found = cut(stored, orientation.stored_window(window, stored.shape))
    np.testing.assert_array_equal(orientation.upright(found), cut(upright, window))


@pytest.mark.parametrize("number", STORED)
def test_a_place_stays_where_it_is_when_the_picture_is_turned(number):
    height, width = 4, 7
    # Each pixel's middle, in map coordinates of the stored picture.
    upright = np.arange(height * width).reshape(height, width)
    stored, orientation = STORED[number](upright), ORIENTATIONS[number]
    affine = (0.5, 0.1, 1000.0, -0.2, -0.4, 2000.0)
    turned = orientation.upright_transform(affine, stored.shape)
    for value in upright.ravel():
        assert middle(turned, upright, value) == pytest.approx(middle(affine, stored, value))


def cut(picture, window):
    row, col, height, width = window
    return picture[row : row + height, col : col + width]


def middle(affine, picture, value):
    (row,), (col,) = np.nonzero(picture == value)
    a, b, c, d, e, f = affine
    return (
        a * (col + 0.5) + b * (row + 0.5) + c,
        d * (col + 0.5) + e * (row + 0.5) + f,
    )
