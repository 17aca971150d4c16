"""The engine gives every photo its own rows, once, in order, however batches fall."""

import hashlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from biomass_pipeline.config import Config, load_config
from biomass_pipeline.errors import ChangedImageError, UnreadableImageError
from biomass_pipeline.features import (
    Photo,
    PhotoEmbedder,
    Workers,
    embed_photos,
    extraction_fingerprint,
    photos_of,
)

WORKERS = Workers(batch_size=4, decode_threads=2, max_pixels=10_000)


class MeanColour:
    """Embeds a tile as its mean colour, and keeps the size of every batch."""

    name = "mean-colour"
    feature_dim = 3
    weights_sha256 = ""

    def __init__(self):
        self.identity = {"name": self.name}
        self.batches = []

    def embed(self, tiles):
        self.batches.append(len(tiles))
        return tiles.mean(axis=(1, 2), dtype=np.float32)


def png(grey):
    stream = BytesIO()
    Image.new("RGB", (8, 8), (grey, 0, 255 - grey)).save(stream, "PNG")
    return stream.getvalue()


def folder_of(greys):
    return {f"p{number}.png": png(grey) for number, grey in enumerate(greys)}


def photos_in(files, tiles):
    return [
        Photo(path, hashlib.sha256(data).hexdigest(), np.zeros((n, 2), np.int32))
        for (path, data), n in zip(files.items(), tiles, strict=True)
    ]


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(1, 7)), max_size=6), st.integers(1, 9))
def test_rows_belong_to_their_photo_in_order_whatever_the_batch(content, batch_size):
    files = folder_of([grey for grey, _ in content])
    backbone = MeanColour()
    seen = []
    done = embed_photos(
        photos_in(files, [n for _, n in content]),
        read=files.__getitem__,
        backbone=backbone,
        tile_px=4,
        workers=Workers(batch_size=batch_size, decode_threads=2, max_pixels=10_000),
        on_progress=seen.append,
    )
    for position, (index, features) in enumerate(done):
        grey, n_tiles = content[position]
        assert index == position
        assert features.tolist() == [[grey, 0, 255 - grey]] * n_tiles
    total = sum(n for _, n in content)
    assert sum(backbone.batches) == total
    assert all(size == batch_size for size in backbone.batches[:-1])
    assert [p.n_photos for p in seen] == list(range(1, len(content) + 1))
    assert not seen or (seen[-1].n_tiles, seen[-1].total_tiles) == (total, total)


def run(photos, read):
    return list(
        embed_photos(
            photos,
            read=read,
            backbone=MeanColour(),
            tile_px=4,
            workers=WORKERS,
            on_progress=lambda _: None,
        )
    )


def test_a_photo_that_changed_since_the_manifest_is_refused_by_name():
    files = folder_of([10, 20])
    photos = photos_in(files, [1, 1])
    files["p1.png"] = png(30)
    with pytest.raises(ChangedImageError, match=r"Photo p1.png changed after"):
        run(photos, files.__getitem__)


def test_an_unreadable_photo_is_an_error_not_a_stand_in():
    files = {"p0.png": b"not a photo"}
    with pytest.raises(UnreadableImageError):
        run(photos_in(files, [1]), files.__getitem__)


def test_decoding_runs_ahead_by_a_bounded_number_of_photos():
    files = folder_of([0] * 40)
    read = []

    def counting(path):
        read.append(path)
        return files[path]

    done = embed_photos(
        photos_in(files, [4] * 40),
        read=counting,
        backbone=MeanColour(),
        tile_px=4,
        workers=WORKERS,
        on_progress=lambda _: None,
    )
    next(done)
    assert len(read) <= 6
    done.close()


class TestEmbedder:
    def embedder(self, files, built):
        def build():
            built.append(1)
            return MeanColour()

        return PhotoEmbedder(
            photos_in(files, [2] * len(files)),
            read=files.__getitem__,
            build=build,
            tile_px=4,
            workers=WORKERS,
            on_progress=lambda _: None,
        )

    def test_the_backbone_is_built_once_and_only_when_needed(self):
        built = []
        embedder = self.embedder(folder_of([1, 2]), built)
        assert list(embedder.embed([])) == []
        assert built == []
        assert embedder.feature_dim() == 3
        assert [index for index, _ in embedder.embed([1])] == [1]
        assert built == [1]

    def test_positions_are_those_of_the_fold(self):
        embedder = self.embedder(folder_of([5, 6, 7]), [])
        assert {i: f[0, 0] for i, f in embedder.embed([2, 0])} == {2: 7, 0: 5}


def test_photos_take_their_own_tiles():
    photos = photos_of(
        ["a", "b"], ["x", "y"], coords=np.arange(6).reshape(3, 2), offsets=np.array([0, 1, 3])
    )
    assert [photo.coords.tolist() for photo in photos] == [[[0, 1]], [[2, 3], [4, 5]]]


class TestFingerprint:
    @property
    def identity(self):
        return {"name": "fake", "weights_sha256": "1"}

    @pytest.mark.parametrize(
        "override",
        ["tiling.tile_px=512", "tiling.border=even", "cache.dtype=float32"],
    )
    def test_what_decides_a_feature_changes_it(self, override):
        changed = load_config(None, overrides=[override])
        assert extraction_fingerprint(changed, self.identity) != extraction_fingerprint(
            Config(), self.identity
        )

    def test_other_weights_change_it(self):
        other = self.identity | {"weights_sha256": "2"}
        assert extraction_fingerprint(Config(), other) != extraction_fingerprint(
            Config(), self.identity
        )

    @pytest.mark.parametrize(
        "override",
        ["training.epochs=3", "compute.batch_size=9", "folds.n_folds=3", "data.images=elsewhere"],
    )
    def test_what_does_not_decide_a_feature_leaves_it(self, override):
        same = load_config(None, overrides=[override])
        assert extraction_fingerprint(same, self.identity) == extraction_fingerprint(
            Config(), self.identity
        )
