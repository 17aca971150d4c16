from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from biomass_pipeline.errors import EmptyBagError
from biomass_pipeline.mil.ridge import pool_bags
from biomass_pipeline.mil.ridge.pooling import POOLINGS

ALL = tuple(POOLINGS)
TILES = st.integers(1, 7).flatmap(
    lambda n: arrays(np.float64, (n, 3), elements=st.floats(-100, 100, width=16))
)


def shares(n, seed):
    raw = np.random.default_rng(seed).uniform(0.1, 1, n)
    return raw / raw.sum()


def pooled(tiles, share):
    return {name: pool(tiles, share) for name, pool in POOLINGS.items()}


def test_poolings_are_those_of_numpy(five_field):
    features = five_field.features
    found = pool_bags(features, ALL)
    for i in range(len(features.image_ids)):
        bag, weight = features.bag(i).astype(float), features.area_weight[features.rows(i)]
        mean = np.average(bag, axis=0, weights=weight)
        low = bag.min(axis=0)
        gem = low + np.average((bag - low) ** 3, axis=0, weights=weight) ** (1 / 3)
        std = np.average((bag - mean) ** 2, axis=0, weights=weight) ** 0.5
        expected = [mean, bag.max(axis=0), low, gem, std]
        assert found[i] == pytest.approx(np.array(expected), rel=1e-5, abs=1e-6)


@given(tiles=TILES, seed=st.integers(0, 99))
def test_the_order_of_tiles_changes_nothing(tiles, seed):
    share = shares(len(tiles), seed)
    order = np.random.default_rng(seed).permutation(len(tiles))
    one, other = pooled(tiles, share), pooled(tiles[order], share[order])
    for name in ALL:
        assert one[name] == pytest.approx(other[name], rel=1e-9, abs=1e-9)


@given(tiles=TILES, seed=st.integers(0, 99), shift=st.floats(-50, 50))
def test_a_shift_of_a_feature_shifts_what_is_pooled(tiles, seed, shift):
    share = shares(len(tiles), seed)
    one, other = pooled(tiles, share), pooled(tiles + shift, share)
    for name in ALL:
        moved = 0.0 if name == "std" else shift
        assert other[name] == pytest.approx(one[name] + moved, abs=1e-5)


@given(tiles=TILES, seed=st.integers(0, 99))
def test_gem_lies_between_mean_and_maximum(tiles, seed):
    found = pooled(tiles, shares(len(tiles), seed))
    assert (found["gem"] >= found["mean"] - 1e-9).all()
    assert (found["gem"] <= found["max"] + 1e-9).all()


@given(tiles=TILES, seed=st.integers(0, 99))
def test_a_tile_cut_in_two_with_its_area_changes_nothing(tiles, seed):
    share = shares(len(tiles), seed)
    halved = np.concatenate([share[:1] / 2, share[:1] / 2, share[1:]])
    one, other = pooled(tiles, share), pooled(np.concatenate([tiles[:1], tiles]), halved)
    for name in ALL:
        assert other[name] == pytest.approx(one[name], rel=1e-6, abs=1e-5)


def test_a_single_tile_is_its_own_pooling():
    tile = np.array([[-3.0, 0.0, 5.0]])
    for name, found in pooled(tile, np.ones(1)).items():
        assert found == pytest.approx(np.zeros(3) if name == "std" else tile[0])


def test_a_photo_without_tiles_is_named(five_field):
    offsets = five_field.features.offsets.copy()
    offsets[1] = 0
    with pytest.raises(EmptyBagError, match="photo000"):
        pool_bags(replace(five_field.features, offsets=offsets), ("mean",))


def test_a_bag_without_weights_is_pooled_equally(five_field):
    features = five_field.features
    bare = replace(features, area_weight=np.zeros_like(features.area_weight))
    mean = pool_bags(bare, ("mean",))[0, 0]
    assert mean == pytest.approx(features.bag(0).astype(float).mean(axis=0))
