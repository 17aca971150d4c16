"""A folder's tiles are counted from headers, all or evenly spaced ones."""

import pytest
from PIL import Image

from biomass_pipeline.benchmark import folder_load
from biomass_pipeline.config import Config
from biomass_pipeline.errors import MissingInputError
from biomass_pipeline.manifest import ImageFolder
from biomass_pipeline_tests.benchmark.conftest import TILING

CONFIG = Config(tiling=TILING)


def photos(folder, sizes):
    folder.mkdir()
    for number, (height_px, width_px) in enumerate(sizes):
        Image.new("RGB", (width_px, height_px)).save(folder / f"{number:03d}.png")
    return ImageFolder(str(folder), base=folder)


def test_tiles_are_those_of_the_grid(tmp_path):
    load = folder_load(photos(tmp_path / "p", [(28, 28), (28, 48), (60, 100)]), CONFIG)
    assert load.n_tiles == 1 + 2 + 15
    assert (load.n_photos, load.n_opened, load.n_unreadable) == (3, 3, 0)
    assert load.n_bytes == sum(file.stat().st_size for file in (tmp_path / "p").iterdir())


def test_what_is_no_photo_is_counted_and_has_no_tiles(tmp_path):
    folder = photos(tmp_path / "p", [(28, 28)])
    (tmp_path / "p" / "x.jpg").write_bytes(b"no photo")
    load = folder_load(folder, CONFIG)
    assert (load.n_photos, load.n_unreadable, load.n_tiles) == (2, 1, 1)


def test_few_headers_stand_for_many_photos(tmp_path):
    load = folder_load(photos(tmp_path / "p", [(28, 48)] * 12), CONFIG, most_opened=5)
    assert (load.n_photos, load.n_opened, load.n_tiles) == (12, 5, 24)


def test_the_header_is_enough(tmp_path):
    folder = photos(tmp_path / "p", [(60, 100)])
    path = tmp_path / "p" / "000.png"
    path.write_bytes(path.read_bytes()[:60])
    assert folder_load(folder, CONFIG).n_tiles == 15


def test_a_photo_too_large_to_be_held_counts_as_well(tmp_path):
    config = CONFIG.model_copy(
        update={"imaging": CONFIG.imaging.model_copy(update={"stream_above_mpx": 1e-5})}
    )
    assert folder_load(photos(tmp_path / "p", [(60, 100)]), config).n_tiles == 15


def test_an_empty_folder_has_nothing(tmp_path):
    assert folder_load(photos(tmp_path / "p", []), CONFIG).n_tiles == 0


def test_no_folder_is_an_error(tmp_path):
    with pytest.raises(MissingInputError, match="no photo folder"):
        folder_load(ImageFolder(str(tmp_path / "none"), base=tmp_path), CONFIG)
