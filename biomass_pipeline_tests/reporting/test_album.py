from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from biomass_pipeline.imaging import ReadLimits
from biomass_pipeline.reporting import read_album

LIMITS = ReadLimits(max_pixels=10**6, stream_above_px=10**5)


def jpeg(seed, size=(160, 80)):
    stream = BytesIO()
    noise = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, "JPEG")
    return stream.getvalue()


FILES = {f"{name}.jpg": jpeg(seed) for seed, name in enumerate("abcd")}
PHOTOS = [(name, f"{name}.jpg") for name in "abcd"]


def album(files=FILES, photos=PHOTOS, **options):
    return read_album(
        photos, lambda path: BytesIO(files[path]), limits=LIMITS, threads=2, **options
    )


def test_each_photo_is_looked_at_and_has_a_picture():
    found = album()

    assert list(found.pictures) == list(found.qualities) == list("abcd")
    assert all(uri.startswith("data:image/webp;base64,") for uri in found.pictures.values())
    assert found.n_without == 0
    assert found.unreadable == {}


def test_the_same_photos_give_the_same_album():
    assert album() == album()


def test_where_room_is_scarce_the_first_photos_have_pictures_and_all_are_looked_at():
    found = album(budget_characters=8_000)

    assert list(found.pictures) == ["a", "b"]
    assert found.n_without == 2
    assert list(found.qualities) == list("abcd")


def test_pictures_stay_within_the_budget():
    files = {path: jpeg(seed, (900, 600)) for seed, path in enumerate(FILES)}
    budget = 60_000

    found = album(files, budget_characters=budget)

    assert len(found.pictures) == 4
    assert sum(map(len, found.pictures.values())) <= budget


def test_a_photo_that_cannot_be_read_is_named_with_its_reason():
    found = album({**FILES, "b.jpg": b"no photo"})

    assert found.unreadable == {"b": "not an image"}
    assert "b" not in found.pictures


def test_a_photo_that_is_gone_is_named_with_the_systems_reason():
    def gone(path):
        raise FileNotFoundError(2, "No such file", path)

    found = read_album(PHOTOS[:1], gone, limits=LIMITS, threads=1)

    assert found.unreadable == {"a": "unreadable: No such file"}


def test_no_photos_make_an_empty_album():
    assert album(photos=[]).pictures == {}


@pytest.mark.parametrize("size", [(40, 20), (2000, 100)])
def test_any_size_gives_a_picture(size):
    found = album({"a.jpg": jpeg(0, size)}, [("a", "a.jpg")])

    assert found.pictures["a"]
