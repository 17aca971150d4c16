"""The engine gives every photo its own rows, once, in order, however batches and lanes fall."""

import hashlib
import pickle
import threading
import time
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from biomass_pipeline.config import Config, load_config
from biomass_pipeline.errors import TokenCountError
from biomass_pipeline.features import (
    Photo,
    PhotoEmbedder,
    Reading,
    embed_here,
    embed_photos,
    extraction_fingerprint,
    photos_of,
)
from biomass_pipeline.imaging import ReadLimits

LIMITS = ReadLimits(max_pixels=10_000, stream_above_px=5_000)


class MeanColour:
    """Embeds a tile as its mean colour, and keeps the size of every batch."""

    name = "mean-colour"
    feature_dim = 3
    tile_px = 4
    weights_sha256 = ""
    precision = "fp32"

    def __init__(self, batch_size=4):
        self.identity = {"name": self.name}
        self.batch_size = batch_size
        self.batches = []

    def embed(self, tiles):
        self.batches.append(len(tiles))
        return tiles.mean(axis=(1, 2), dtype=np.float32)


class Cells(MeanColour):
    """Four rows a tile: its colour, four times, numbered."""

    def embed(self, tiles):
        rows = np.repeat(super().embed(tiles), 4, axis=0)
        rows[:, 1] = np.tile(np.arange(4), len(tiles))
        return rows


class Allergic(MeanColour):
    """Fails on any batch with a tile of one colour, as a device that runs out of memory does."""

    def __init__(self, grey, error=RuntimeError):
        super().__init__()
        self.grey, self.error = grey, error

    def embed(self, tiles):
        if (tiles[:, 0, 0, 0] == self.grey).any():
            raise self.error("the device gave up\nand says more")
        return super().embed(tiles)


class Slow(MeanColour):
    """Says how many of its kind embed at the same time."""

    busy = 0
    most = 0
    lock = threading.Lock()

    def embed(self, tiles):
        with self.lock:
            Slow.busy += 1
            Slow.most = max(Slow.most, Slow.busy)
        time.sleep(0.02)
        with self.lock:
            Slow.busy -= 1
        return super().embed(tiles)


def png(grey, size=(8, 8)):
    stream = BytesIO()
    Image.new("RGB", size, (grey, 0, 255 - grey)).save(stream, "PNG")
    return stream.getvalue()


def folder_of(greys):
    return {f"p{number}.png": png(grey) for number, grey in enumerate(greys)}


def photos_in(files, tiles):
    return [
        Photo(path, hashlib.sha256(data).hexdigest(), np.zeros((n, 2), np.int32))
        for (path, data), n in zip(files.items(), tiles, strict=True)
    ]


def reading_of(files, *, opened=None):
    def open_photo(path):
        if opened is not None:
            opened.append(path)
        if path not in files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return BytesIO(files[path])

    return Reading(open_photo, tile_px=4, limits=LIMITS, threads=2)


def everything(photos):
    return {i: np.arange(len(photo.coords)) for i, photo in enumerate(photos)}


def run(files, tiles, *, backbones=None, photos=None):
    photos = photos or photos_in(files, tiles)
    return list(
        embed_photos(
            photos,
            everything(photos),
            reading=reading_of(files),
            backbones=backbones or [MeanColour()],
        )
    )


@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(1, 7)), max_size=6),
    st.integers(1, 9),
    st.integers(1, 3),
)
def test_rows_belong_to_their_photo_in_order_whatever_the_batch(content, batch_size, n_lanes):
    files = folder_of([grey for grey, _ in content])
    lanes = [MeanColour(batch_size) for _ in range(n_lanes)]
    blocks = run(files, [n for _, n in content], backbones=lanes)
    expected = [(photo, tile) for photo, (_, n) in enumerate(content) for tile in range(n)]
    assert [(block.photo, tile) for block in blocks for tile in block.tiles] == expected
    for block in blocks:
        grey, _ = content[block.photo]
        assert block.features.tolist() == [[grey, 0, 255 - grey]] * len(block.tiles)
    sizes = [size for lane in lanes for size in lane.batches]
    total = sum(n for _, n in content)
    assert sum(sizes) == total
    assert sum(size != batch_size for size in sizes) == bool(total % batch_size)


def test_the_rows_of_a_tile_stay_together():
    first, second = run(folder_of([7]), [3], backbones=[Cells(batch_size=2)])
    assert (first.tiles.tolist(), second.tiles.tolist()) == ([0, 1], [2])
    assert first.features[:, 1].tolist() == [0, 1, 2, 3] * 2
    assert second.features[:, 1].tolist() == [0, 1, 2, 3]


def test_only_the_tiles_that_are_wanted_are_embedded():
    files = folder_of([1, 2, 3])
    photos = photos_in(files, [4, 4, 4])
    wanted = {2: np.array([1, 3]), 0: np.array([], np.int64), 1: np.array([0])}
    backbone, opened = MeanColour(), []
    reading = reading_of(files, opened=opened)
    blocks = list(embed_photos(photos, wanted, reading=reading, backbones=[backbone]))
    assert [(b.photo, b.tiles.tolist()) for b in blocks] == [(2, [1, 3]), (1, [0])]
    assert sum(backbone.batches) == 3
    assert sorted(opened) == ["p1.png", "p2.png"]


def test_lanes_embed_side_by_side():
    Slow.most = 0
    run(folder_of(range(12)), [4] * 12, backbones=[Slow(), Slow()])
    assert Slow.most == 2


class TestRefusals:
    def test_a_photo_that_changed_since_the_manifest(self):
        files = folder_of([10, 20, 30])
        photos = photos_in(files, [1, 1, 1])
        files["p1.png"] = png(31)
        first, second, third = run(files, [], photos=photos)
        assert "changed since the manifest was made" in second.reason
        assert len(second.tiles) == len(second.features) == 0
        assert (first.reason, third.reason) == ("", "")
        assert third.features.tolist() == [[30, 0, 225]]

    def test_a_photo_that_cannot_be_decoded(self):
        bad, good = run({"p0.png": b"not a photo", "p1.png": png(4)}, [1, 1])
        assert bad.reason == "not an image"
        assert good.features[0, 0] == 4

    def test_a_photo_that_is_gone(self):
        files = folder_of([1, 2])
        photos = photos_in(files, [1, 1])
        del files["p0.png"]
        gone, there = run(files, [], photos=photos)
        assert gone.reason == "unreadable: No such file or directory"
        assert there.reason == ""

    def test_reading_is_tried_twice_before_a_photo_is_refused(self):
        files = folder_of([1])
        photos = photos_in(files, [1])
        opened = []
        steady = reading_of(files, opened=opened).open

        def shaky(path):
            stream = steady(path)
            if len(opened) == 1:
                raise MemoryError
            return stream

        reading = Reading(shaky, tile_px=4, limits=LIMITS, threads=1)
        (block,) = embed_photos(
            photos, everything(photos), reading=reading, backbones=[MeanColour()]
        )
        assert (block.reason, len(opened)) == ("", 2)

    def test_a_photo_on_which_the_backbone_fails_costs_only_itself(self):
        tiles = [3, 5, 3, 1]
        blocks = run(folder_of([1, 66, 3, 4]), tiles, backbones=[Allergic(66)])
        (refused,) = [block for block in blocks if block.reason]
        assert refused.photo == 1
        assert refused.reason == "backbone failed: RuntimeError: the device gave up"
        for photo in (0, 2, 3):
            rows = [block.features for block in blocks if block.photo == photo]
            assert sum(map(len, rows)) == tiles[photo]
        # Nothing comes of a photo after it was refused.
        assert [block for block in blocks if block.photo == 1][-1] is refused

    def test_a_mistake_in_the_set_up_stops_the_run(self):
        class Wrong(MeanColour):
            def embed(self, tiles):
                raise TokenCountError("net", found=1, prefix=1, patches=4)

        with pytest.raises(TokenCountError):
            run(folder_of([1]), [1], backbones=[Wrong()])


def test_decoding_runs_ahead_by_a_bounded_number_of_photos():
    files = folder_of([0] * 40)
    photos, opened = photos_in(files, [4] * 40), []
    blocks = embed_photos(
        photos,
        everything(photos),
        reading=reading_of(files, opened=opened),
        backbones=[MeanColour()],
    )
    next(blocks)
    # Two threads with two photos each, two batches of one photo each, and the one in hand.
    assert len(opened) <= 2 * 2 + 2 + 1
    blocks.close()
    assert not [t for t in threading.enumerate() if t.name.startswith(("decode", "lane"))]


def test_a_huge_photo_comes_in_pieces_and_every_tile_once():
    tile_px, side_px = 256, 2560
    rows, cols = np.mgrid[0:side_px, 0:side_px]
    image = np.stack([rows // 10, cols // 10, (rows + cols) // 20], axis=2).astype(np.uint8)
    stream = BytesIO()
    Image.fromarray(image).save(stream, "PNG", compress_level=1)
    data = stream.getvalue()
    corners = np.arange(0, side_px, tile_px)
    coords = np.array([(row, col) for row in corners for col in corners], np.int32)
    photos = [Photo("big.png", hashlib.sha256(data).hexdigest(), coords)]
    reading = Reading(
        lambda _: BytesIO(data),
        tile_px=tile_px,
        limits=ReadLimits(max_pixels=10**8, stream_above_px=10**6),
        threads=2,
    )
    blocks = list(
        embed_photos(photos, everything(photos), reading=reading, backbones=[MeanColour(16)])
    )
    assert len(blocks) > 1
    tiles = np.concatenate([block.tiles for block in blocks])
    features = np.concatenate([block.features for block in blocks])
    assert sorted(tiles) == list(range(len(coords)))
    expected = [
        image[row : row + tile_px, col : col + tile_px].mean(axis=(0, 1))
        for row, col in coords[tiles]
    ]
    np.testing.assert_allclose(features, expected, rtol=1e-5)


class TestEmbedder:
    def embedder(self, files, *, built=None, seen=None, n_tiles=2):
        def build():
            if built is not None:
                built.append(1)
            return [MeanColour()]

        return PhotoEmbedder(
            photos_in(files, [n_tiles] * len(files)),
            reading=reading_of(files),
            build=build,
            engine=embed_here,
            on_progress=(lambda _: None) if seen is None else seen.append,
        )

    def test_the_backbone_is_built_once_and_only_when_needed(self):
        built = []
        embedder = self.embedder(folder_of([1, 2]), built=built)
        assert list(embedder.embed({})) == []
        assert built == []
        assert embedder.feature_dim() == 3
        assert embedder.notes() == {"precision": "fp32"}
        assert [block.photo for block in embedder.embed({1: np.arange(2)})] == [1]
        assert built == [1]

    def test_positions_are_those_of_the_fold(self):
        embedder = self.embedder(folder_of([5, 6, 7]))
        blocks = embedder.embed({2: np.array([1]), 0: np.array([0])})
        assert {b.photo: b.features[0, 0] for b in blocks} == {2: 7, 0: 5}

    def test_progress_counts_photos_and_tiles_also_of_refused_photos(self):
        files, seen = {**folder_of([5, 6]), "bad.png": b"no"}, []
        embedder = self.embedder(files, seen=seen)
        list(embedder.embed({i: np.arange(2) for i in range(3)}))
        assert [(p.n_photos, p.n_tiles) for p in seen] == [(1, 2), (2, 4), (3, 6)]
        assert (seen[-1].total_photos, seen[-1].total_tiles, seen[-1].n_refused) == (3, 6, 1)

    def test_what_another_process_gets_builds_its_own_backbone(self):
        embedder = PhotoEmbedder(
            [], reading=reading_of({}), build=_build, engine=embed_here, on_progress=print
        )
        here = embedder.build()
        sent = pickle.loads(pickle.dumps(embedder.build))  # noqa: S301  # our own
        assert sent() is not here
        assert embedder.build() is here


def _build():
    return [MeanColour()]


def test_photos_take_their_own_tiles():
    class Contents:
        paths = ("a", "b")
        image_sha256 = ("x", "y")

        def tile_coords(self, photo):
            return np.full((photo + 1, 2), photo, np.int32)

    photos = photos_of(Contents())
    assert [(p.path, p.sha256) for p in photos] == [("a", "x"), ("b", "y")]
    assert [photo.coords.tolist() for photo in photos] == [[[0, 0]], [[1, 1], [1, 1]]]


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
        [
            "training.epochs=3",
            "compute.batch_size=9",
            "compute.engine=ray",
            "imaging.stream_above_mpx=1",
            "folds.n_folds=3",
            "data.images=elsewhere",
        ],
    )
    def test_what_does_not_decide_a_feature_leaves_it(self, override):
        same = load_config(None, overrides=[override])
        assert extraction_fingerprint(same, self.identity) == extraction_fingerprint(
            Config(), self.identity
        )
