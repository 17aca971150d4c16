"""Photos are planned by the tiles that they hold."""

from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.benchmark import named_backbone
from biomass_pipeline.benchmark.plan import PHOTO_PX, photo_sizes, tiles_of
from biomass_pipeline.config import TilingConfig


@given(n_tiles=st.integers(1, 400), tile_px=st.integers(50, 700), overlap=st.integers(0, 49))
def test_planned_photos_hold_about_the_tiles_asked_for(n_tiles, tile_px, overlap):
    tiling = TilingConfig(tile_px=tile_px, stride_px=tile_px - overlap)
    sizes = photo_sizes(n_tiles, photo_px=PHOTO_PX, tiling=tiling)
    whole = tiles_of([PHOTO_PX], tiling)
    assert len(sizes) >= 2
    assert abs(tiles_of(sizes, tiling) - n_tiles) <= max(whole / 2, 1)
    if n_tiles >= 2 * whole:
        assert set(sizes) == {PHOTO_PX}


def test_a_standard_photo_has_fifteen_tiles():
    assert tiles_of([PHOTO_PX], TilingConfig()) == 15


def test_a_named_backbone_needs_no_weights():
    assert named_backbone("dinov2_vits14").random_weights
