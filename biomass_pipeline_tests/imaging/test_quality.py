"""Pictures with one fault each, and the same without it."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from biomass_pipeline.imaging import judge_quality
from biomass_pipeline.imaging.quality import border_share


@pytest.fixture(scope="module")
def sward():
    """Soil with blades of grass: 500 x 250 px."""
    rng = np.random.default_rng(1)
    image = Image.new("RGB", (500, 250), (120, 95, 70))
    draw = ImageDraw.Draw(image)
    for _ in range(900):
        x, y, dx, dy = rng.integers(0, 500), rng.integers(0, 250), *rng.integers(-20, 20, 2)
        shade = int(rng.integers(60, 200))
        draw.line((x, y, x + dx, y + dy), fill=(shade // 2, shade, shade // 3), width=2)
    return image


def judged(image):
    return judge_quality(np.asarray(image))


def stamped(image, *, fill, at=(300, 220)):
    copy = image.copy()
    ImageDraw.Draw(copy).text(at, "2015 09 04", fill=fill, font=ImageFont.load_default(size=18))
    return copy


def test_an_ordinary_photo_has_no_fault(sward):
    found = judged(sward)

    assert found.burnt == 0
    assert found.black == 0
    assert found.border == 0
    assert not found.stamped
    assert 0.2 < found.lightness < 0.6


def test_a_blurred_photo_is_far_less_sharp(sward):
    blurred = sward.filter(ImageFilter.GaussianBlur(2))

    assert judged(blurred).sharpness < judged(sward).sharpness / 6


def test_white_and_black_pixels_are_counted(sward):
    half = np.array(sward)
    half[:, :250] = 255
    half[:, 250:375] = 0

    assert judged(half).burnt == pytest.approx(0.5)
    assert judged(half).black == pytest.approx(0.25)
    assert judged(np.full_like(half, 255)).lightness == pytest.approx(1)


@pytest.mark.parametrize("colour", [0, 128, 255])
def test_a_plain_border_is_measured_whatever_its_colour(sward, colour):
    framed = np.array(sward)
    framed[:25] = framed[-25:] = colour
    framed[:, :50] = framed[:, -50:] = colour

    assert judged(framed).border == pytest.approx(1 - 0.8 * 0.8)


def test_a_border_on_one_side_counts_and_a_sliver_does_not(sward):
    one_side = np.array(sward)
    one_side[-50:] = 255
    sliver = np.array(sward)
    sliver[-2:] = 255

    assert judged(one_side).border == pytest.approx(0.2)
    assert judged(sliver).border == 0


def test_a_plain_picture_is_no_border():
    assert border_share(np.full((40, 60), 7.0)) == 0


@pytest.mark.parametrize("at", [(300, 220), (10, 5)])
@pytest.mark.parametrize("fill", [(255, 140, 30), (255, 255, 255)])
def test_a_date_in_orange_or_white_near_an_edge_is_seen(sward, fill, at):
    assert judged(stamped(sward, fill=fill, at=at)).stamped


def test_a_date_in_the_middle_or_in_the_colour_of_the_sward_is_not(sward):
    assert not judged(stamped(sward, fill=(255, 140, 30), at=(300, 110))).stamped
    assert not judged(stamped(sward, fill=(90, 120, 60))).stamped


def test_a_flower_or_a_frame_is_no_date(sward):
    flowers = sward.copy()
    draw = ImageDraw.Draw(flowers)
    for x, y in ((40, 230), (200, 240), (420, 225)):
        draw.ellipse((x, y, x + 12, y + 12), fill=(255, 255, 255))
    draw.line((0, 215, 500, 215), fill=(255, 255, 255), width=6)

    assert not judged(flowers).stamped
