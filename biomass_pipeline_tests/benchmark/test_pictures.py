"""Photos to measure with are JPEGs like others, and no two have equal contents."""

import hashlib

import numpy as np
from PIL import Image

from biomass_pipeline.benchmark.pictures import write_pictures


def test_the_table_says_what_the_files_are(tmp_path):
    sizes = [(40, 60), (40, 60), (30, 20)]
    pictures = write_pictures(tmp_path / "photos", sizes)
    assert pictures.table["sha256"].is_unique
    for row, size_px in zip(pictures.table.itertuples(), sizes, strict=True):
        path = pictures.folder / row.path
        assert hashlib.sha256(path.read_bytes()).hexdigest() == row.sha256
        with Image.open(path) as image:
            assert image.format == "JPEG"
            assert (image.height, image.width) == size_px == (row.height_px, row.width_px)


def test_a_photo_decodes_like_one_of_grass(tmp_path):
    """As many bits a pixel as field photos have: neither flat nor white noise."""
    pictures = write_pictures(tmp_path, [(400, 600)])
    path = pictures.folder / pictures.table["path"][0]
    assert 1.0 < 8 * path.stat().st_size / (400 * 600) < 6.0
    with Image.open(path) as image:
        assert np.asarray(image).std() > 20
