"""What stands for a tile: cells, views and blocks, without a network."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import (
    BackboneTileError,
    UnknownBackboneError,
    UnsupportedReadingError,
)
from biomass_pipeline.features.registry import backbone_identity
from biomass_pipeline.features.tokens import blocks_of, cells_of, views_of

VIT = "dinov2_vits14_reg"


def spec(**fields):
    return BackboneConfig(**{"name": VIT, "random_weights": True} | fields)


@pytest.mark.parametrize("tokens", ["cls", "cls+mean", "mean+max+gem"])
@pytest.mark.parametrize("name", [VIT, "rcf", "timm:resnet18", "another-package"])
def test_a_tile_as_a_whole_is_one_cell_whatever_the_backbone(name, tokens):
    assert cells_of(spec(name=name, tokens=tokens), tile_px=98) == (0, 98)


@pytest.mark.parametrize("tokens", ["cls", "cls+mean", "mean+max+gem"])
def test_a_tile_as_a_whole_is_refused_where_patches_do_not_fill_it(tokens):
    words = r"patches of 14 px, but `tiling.tile_px` is 100, .* Set it to 98 or 112\."
    with pytest.raises(BackboneTileError, match=words):
        cells_of(spec(tokens=tokens), tile_px=100)


@given(patches=st.integers(1, 40), cells=st.integers(1, 40))
def test_cells_are_runs_of_whole_patches_that_cover_the_tile_evenly(patches, cells):
    wanted, tile_px = spec(tokens=f"grid:{cells}"), 14 * patches
    if cells > patches:
        with pytest.raises(UnsupportedReadingError, match=f"Set .* to grid:{patches} or less"):
            cells_of(wanted, tile_px=tile_px)
        return
    bounds = cells_of(wanted, tile_px=tile_px)
    sides = [stop - start for start, stop in pairwise(bounds)]
    assert (bounds[0], bounds[-1], len(sides)) == (0, tile_px, cells)
    assert all(side % 14 == 0 for side in sides)
    assert 0 < max(sides) <= min(sides) + 14


def test_each_patch_may_be_a_cell():
    assert cells_of(spec(tokens="patches"), tile_px=56) == (0, 14, 28, 42, 56)
    assert cells_of(spec(name="dinov3_vitl16", tokens="patches"), tile_px=32) == (0, 16, 32)


def test_cells_need_a_tile_that_patches_fill():
    with pytest.raises(BackboneTileError, match="518 or 532"):
        cells_of(spec(tokens="grid:2"), tile_px=520)


@pytest.mark.parametrize("name", ["rcf", "timm:resnet18"])
@pytest.mark.parametrize("tokens", ["grid:2", "patches"])
def test_a_backbone_without_patches_has_no_cells(name, tokens):
    with pytest.raises(UnsupportedReadingError, match=r"no patch tokens.*tokens` to cls"):
        cells_of(spec(name=name, tokens=tokens), tile_px=64)


def test_views_are_rows_only_where_they_are_kept_apart():
    counts = {
        (views, rows): views_of(spec(views=views, view_rows=rows))
        for views in ("identity", "flips", "dihedral")
        for rows in ("averaged", "separate")
    }
    assert [counts[views, "separate"] for views in ("identity", "flips", "dihedral")] == [1, 4, 8]
    assert {counts[views, "averaged"] for views in ("identity", "flips", "dihedral")} == {1}


@pytest.mark.parametrize(
    ("layers", "blocks"),
    [
        ("last", [11]),
        ("last:1", [11]),
        ("last:4", [8, 9, 10, 11]),
        ("last:12", list(range(12))),
        ("5,11", [5, 11]),
        ("11,5,5", [5, 11]),
        ("0", [0]),
    ],
)
def test_layers_name_blocks_in_their_order(layers, blocks):
    assert blocks_of(spec(layers=layers), depth=12) == blocks


@pytest.mark.parametrize("layers", ["last:13", "12", "0,99"])
def test_blocks_that_are_not_there_are_refused_even_before_building(layers):
    for refused in (
        lambda: blocks_of(spec(layers=layers), depth=12),
        lambda: backbone_identity(spec(layers=layers)),
    ):
        with pytest.raises(UnsupportedReadingError, match=r"12 blocks.*last:12 or fewer"):
            refused()


@pytest.mark.parametrize("name", ["rcf", "colour-texture", "colour-texture-rcf"])
@pytest.mark.parametrize(
    ("fields", "advice"),
    [
        ({"tokens": "cls+mean"}, "tokens` to cls"),
        ({"tokens": "grid:2"}, "tokens` to cls"),
        ({"layers": "last:4"}, "layers` to last"),
    ],
)
def test_without_weights_there_is_one_row_a_tile(name, fields, advice):
    with pytest.raises(UnsupportedReadingError, match=f"a tile as a whole.*{advice}"):
        backbone_identity(spec(name=name, **fields))


def test_an_unknown_name_is_refused_as_such_whatever_is_asked_of_it():
    with pytest.raises(UnknownBackboneError):
        backbone_identity(spec(name="nobody", tokens="patches"))
