"""Laws of the symmetries of the square, with backbones that a test can follow by eye."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.features.backbone import Backbone
from biomass_pipeline.features.lanes import build_backbone
from biomass_pipeline.features.registry import backbone_identity
from biomass_pipeline.features.views import SYMMETRIES, Views

SIDE, CELLS = 6, 3
FORTH = [forth for forth, _ in SYMMETRIES["dihedral"]]
symmetries = st.sampled_from(range(8))
seeds = st.integers(0, 2**32 - 1)
kinds = st.sampled_from(["flips", "dihedral"])


class CellMeans:
    """Embeds each cell as its mean colour: it turns with the tile, by construction."""

    name, tile_px, feature_dim, weights_sha256 = "cell-means", SIDE, 3, ""
    batch_size, precision = 4, "fp32"
    identity = {"name": "cell-means"}  # noqa: RUF012 - as the protocol has it

    def embed(self, tiles):
        side = SIDE // CELLS
        cells = tiles.reshape(len(tiles), CELLS, side, CELLS, side, 3)
        return cells.mean(axis=(2, 4), dtype=np.float64).astype(np.float32).reshape(-1, 3)


class FirstPixels(CellMeans):
    """Embeds each cell as its upper left pixel: a turned tile gives other rows."""

    def embed(self, tiles):
        side = SIDE // CELLS
        return tiles[:, ::side, ::side].reshape(-1, 3).astype(np.float32)


class FirstPixel(CellMeans):
    """Embeds a tile as its upper left pixel."""

    def embed(self, tiles):
        return tiles[:, 0, 0].astype(np.float32)


def noise(seed, count=2):
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def seen(backbone, tiles, *, views="dihedral", rows="separate"):
    cells = 1 if isinstance(backbone, FirstPixel) else CELLS
    wrapped = Views(backbone, views=views, view_rows=rows, cells_per_side=cells)
    return wrapped.embed(tiles).reshape(len(tiles), -1, cells, cells, 3)


def test_the_eight_symmetries_differ_and_each_is_taken_back():
    tiles = noise(0, 1)
    turned = [forth(tiles) for forth in FORTH]
    assert len({view.tobytes() for view in turned}) == 8
    for forth, back in SYMMETRIES["dihedral"]:
        assert (back(forth(tiles)) == tiles).all()


def test_flips_are_the_four_views_without_quarter_turns():
    tiles = noise(0, 1)
    expected = [tiles, tiles[:, :, ::-1], tiles[:, ::-1], tiles[:, ::-1, ::-1]]
    for (forth, _), view in zip(SYMMETRIES["flips"], expected, strict=True):
        assert (forth(tiles) == view).all()


@given(seed=seeds, views=kinds)
def test_a_backbone_that_turns_with_the_tile_sees_the_same_in_every_view(seed, views):
    rows = seen(CellMeans(), noise(seed), views=views)
    assert rows.shape[1] == len(SYMMETRIES[views])
    np.testing.assert_allclose(rows, np.broadcast_to(rows[:, :1], rows.shape), rtol=1e-6)
    averaged = seen(CellMeans(), noise(seed), views=views, rows="averaged")
    np.testing.assert_allclose(averaged, rows[:, :1], rtol=1e-6)


@given(seed=seeds, turn=symmetries)
def test_averaged_over_all_views_a_turned_tile_has_the_same_row(seed, turn):
    tiles = noise(seed)
    turned = np.ascontiguousarray(FORTH[turn](tiles))
    first = seen(FirstPixel(), tiles, rows="averaged")
    np.testing.assert_allclose(seen(FirstPixel(), turned, rows="averaged"), first, rtol=1e-6)


@given(seed=seeds, turn=symmetries)
def test_averaged_over_all_views_cells_turn_with_the_tile(seed, turn):
    tiles = noise(seed)
    turned = np.ascontiguousarray(FORTH[turn](tiles))
    first = seen(FirstPixels(), tiles, rows="averaged")
    found = seen(FirstPixels(), turned, rows="averaged")
    np.testing.assert_allclose(found[:, 0], FORTH[turn](first[:, 0]), rtol=1e-6)


@given(row=st.integers(0, CELLS - 1), column=st.integers(0, CELLS - 1), views=kinds)
def test_a_cell_keeps_its_place_in_every_view(row, column, views):
    """A single white cell is found at its place, by whichever corner of it a view looks."""
    side = SIDE // CELLS
    tile = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    tile[0, row * side : (row + 1) * side, column * side : (column + 1) * side] = 255
    for view in seen(FirstPixels(), tile, views=views)[0]:
        assert np.argwhere(view[..., 0]).tolist() == [[row, column]]


def test_rows_of_a_tile_lie_together_view_by_view():
    tiles = noise(3)
    views = Views(FirstPixel(), views="flips", view_rows="separate", cells_per_side=1)
    corners = [tiles[:, 0, 0], tiles[:, 0, -1], tiles[:, -1, 0], tiles[:, -1, -1]]
    assert (views.embed(tiles) == np.stack(corners, axis=1).reshape(-1, 3)).all()
    assert views.embed(tiles[:0]).shape == (0, 3)


def test_it_is_a_backbone_with_an_identity_of_its_own():
    wrapped = Views(CellMeans(), views="flips", view_rows="averaged", cells_per_side=CELLS)
    assert isinstance(wrapped, Backbone)
    assert (wrapped.batch_size, wrapped.precision) == (4, "fp32")
    assert wrapped.identity == {"name": "cell-means", "views": "flips", "view_rows": "averaged"}


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "rcf"},
        {"name": "dinov2_vits14_reg", "random_weights": True, "tokens": "grid:2"},
    ],
)
def test_any_backbone_may_be_asked_for_views(fields):
    tiles = np.random.default_rng(0).integers(0, 256, (2, 28, 28, 3), dtype=np.uint8)
    fields |= {"precision": "fp32"}
    plain = build_backbone(BackboneConfig(**fields), tile_px=28)
    spec = BackboneConfig(**fields, views="flips", view_rows="separate")
    backbone = build_backbone(spec, tile_px=28)
    assert backbone.identity == backbone_identity(spec)
    cells = 4 if "tokens" in fields else 1
    rows = backbone.embed(tiles).reshape(2, 4, cells, -1)
    assert (rows[:, 0] == plain.embed(tiles).reshape(2, cells, -1)).all()
    averaged = build_backbone(BackboneConfig(**fields, views="flips"), tile_px=28)
    found = averaged.embed(tiles).reshape(2, cells, -1)
    np.testing.assert_allclose(found, rows.mean(axis=1), rtol=1e-4, atol=1e-5)
    identities = [dict(one.identity) for one in (plain, backbone, averaged)]
    assert all(identities.count(identity) == 1 for identity in identities)
