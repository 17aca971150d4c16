"""Laws that every backbone without weights obeys."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.features.backbone import Backbone
from biomass_pipeline.features.colour_texture import ColourTexture
from biomass_pipeline.features.joined import Joined, join_identities
from biomass_pipeline.features.lanes import build_backbone
from biomass_pipeline.features.random_convolutions import RandomConvolutions
from biomass_pipeline.features.registry import backbone_identity

NAMES = ["colour-texture", "rcf", "colour-texture-rcf"]
SIDE = 24


def noise(count, *, seed=0, side=SIDE):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=NAMES)
def backbone(request):
    return build_backbone(BackboneConfig(name=request.param), tile_px=SIDE)


def test_it_offers_what_the_protocol_asks(backbone):
    assert isinstance(backbone, Backbone)
    assert backbone.tile_px == SIDE
    assert backbone.weights_sha256 == backbone.identity["weights_sha256"] == ""
    assert backbone.identity == backbone_identity(BackboneConfig(name=backbone.name))


def test_rows_are_float32_and_as_wide_as_promised(backbone):
    rows = backbone.embed(noise(3))
    assert rows.dtype == np.float32
    assert rows.shape == (3, backbone.feature_dim)
    assert backbone.embed(noise(0)).shape == (0, backbone.feature_dim)


@settings(max_examples=15)
@given(order=st.permutations(range(5)), size=st.integers(1, 5))
def test_a_row_is_the_same_to_the_bit_whatever_else_is_in_the_batch(order, size):
    for name in NAMES:
        network = build_backbone(BackboneConfig(name=name), tile_px=SIDE)
        tiles = noise(5)
        alone = np.concatenate([network.embed(tiles[k : k + 1]) for k in range(5)])
        chosen = list(order)[:size]
        assert (network.embed(tiles[chosen]) == alone[chosen]).all()


@pytest.mark.parametrize("side", [SIDE, 60, 101])
def test_neither_threads_nor_the_place_in_memory_change_a_bit(side):
    tiles = noise(6, side=side)
    for build in (ColourTexture, RandomConvolutions):
        expected = build(side, threads=1).embed(tiles)
        for threads in (1, 4, 4, 4):
            assert (build(side, threads=threads).embed(tiles.copy()) == expected).all()


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_plain_tiles_have_finite_small_features(backbone, value):
    rows = backbone.embed(np.full((1, SIDE, SIDE, 3), value, np.uint8))
    assert np.isfinite(rows).all()
    assert np.abs(rows).max() < 100


def test_features_survive_the_cache_number_type(backbone):
    checker = np.indices((SIDE, SIDE)).sum(axis=0)[..., None] % 2 * 255
    hard = np.repeat(checker, 3, axis=2).astype(np.uint8)[None]
    for tiles in (hard, noise(4)):
        rows = backbone.embed(tiles)
        assert np.abs(rows).max() < 1000
        assert np.abs(rows.astype(np.float16) - rows).max() < 0.01


def test_different_tiles_get_different_rows(backbone):
    rows = backbone.embed(noise(2))
    assert (rows[0] != rows[1]).any()


def test_a_tile_in_memory_of_any_layout_gets_the_same_row(backbone):
    tiles = noise(2)
    views = np.ascontiguousarray(tiles[:, ::-1])[:, ::-1]
    assert (backbone.embed(views) == backbone.embed(tiles)).all()


def test_each_statistic_has_its_own_name():
    network = ColourTexture(SIDE)
    assert len(set(network.feature_names)) == network.feature_dim
    column = network.feature_names.index("exg_above_0.1")
    green = np.full((1, SIDE, SIDE, 3), (0, 200, 0), np.uint8)
    assert network.embed(green)[0, column] == 1


def test_joining_puts_the_parts_side_by_side():
    parts = [ColourTexture(SIDE), RandomConvolutions(SIDE)]
    tiles, both = noise(2), Joined("both", parts)
    expected = np.concatenate([part.embed(tiles) for part in parts], axis=1)
    assert (both.embed(tiles) == expected).all()
    assert both.feature_dim == sum(part.feature_dim for part in parts)


def test_a_joined_identity_changes_with_any_part():
    first, second = {"name": "a", "version": "1"}, {"name": "b", "version": "1"}
    joined = join_identities("both", [first, second])
    assert join_identities("both", [first, second | {"version": "2"}]) != joined
    assert join_identities("both", [first | {"version": "2"}, second]) != joined
    assert join_identities("other", [first, second]) != joined


def test_identities_of_different_backbones_differ():
    identities = [tuple(backbone_identity(BackboneConfig(name=name)).items()) for name in NAMES]
    assert len(set(identities)) == len(NAMES)


@pytest.mark.parametrize(
    ("module", "constant", "value"),
    [
        ("colour_texture", "VERSION", "other"),
        ("random_convolutions", "VERSION", "other"),
        ("random_convolutions", "SEED", 9),
        ("random_convolutions", "BANKS", ()),
        ("random_convolutions", "OPPONENTS", ()),
    ],
)
def test_the_identity_changes_with_whatever_decides_a_number(monkeypatch, module, constant, value):
    spec = BackboneConfig()
    before = backbone_identity(spec)
    monkeypatch.setattr(f"biomass_pipeline.features.{module}.{constant}", value)
    assert backbone_identity(spec) != before
