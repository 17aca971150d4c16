from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.errors import EmptyBagError
from biomass_pipeline.mil.bags import BagBatch, batches
from biomass_pipeline.store.bags import FeatureSet


def feature_set(lengths, *, area_weight=None):
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    n = int(offsets[-1])
    names = tuple(f"p{i}" for i in range(len(lengths)))
    return FeatureSet(
        features=np.arange(1, 3 * n + 1, dtype=np.float16).reshape(n, 3),
        coords=np.zeros((n, 2), dtype=np.int32),
        area_weight=np.ones(n, dtype=np.float32) if area_weight is None else area_weight,
        image_ids=names,
        image_sha256=names,
        offsets=offsets,
    )


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_bags_keep_their_tiles_and_padding_is_zero(lengths):
    features = feature_set(lengths)
    bags = BagBatch.from_feature_set(features)
    assert len(bags) == len(lengths)
    assert bags.features.dtype == torch.float32
    for i, length in enumerate(lengths):
        assert bags.mask[i].sum() == length
        assert np.array_equal(bags.features[i, :length], features.bag(i).astype(np.float32))
    assert torch.count_nonzero(bags.features[~bags.mask]) == 0
    assert torch.count_nonzero(bags.area_weight[~bags.mask]) == 0
    assert torch.allclose(bags.area_weight.sum(dim=1), torch.ones(len(lengths)), atol=1e-6)


def test_area_weights_keep_their_proportions():
    weight = np.array([0.2, 0.6, 5.0], dtype=np.float32)
    bags = BagBatch.from_feature_set(feature_set([2, 1], area_weight=weight))
    assert bags.area_weight.numpy() == pytest.approx(np.array([[0.25, 0.75], [1, 0]]))


def test_a_bag_without_weights_gets_equal_ones():
    weight = np.zeros(4, dtype=np.float32)
    bags = BagBatch.from_feature_set(feature_set([4], area_weight=weight))
    assert bags.area_weight.numpy() == pytest.approx(0.25)


def test_selected_bags_are_those_asked_for():
    bags = BagBatch.from_feature_set(feature_set([1, 2, 3]))
    chosen = bags.select(torch.tensor([2, 0]))
    assert torch.equal(chosen.features[0], bags.features[2])
    assert chosen.mask.sum(dim=1).tolist() == [3, 1]


def test_batches_hold_the_same_tiles_as_the_whole():
    features = feature_set([1, 4, 2, 3, 1])
    parts = list(batches(features, n_bags=2))
    assert [len(part) for part in parts] == [2, 2, 1]
    joined = torch.cat([part.features[part.mask] for part in parts])
    assert np.array_equal(joined.numpy(), features.features.astype(np.float32))


def test_covariates_follow_their_bags():
    covariates = np.array([[1.0, np.nan], [2.0, 5.0], [np.nan, 6.0]])
    bags = BagBatch.from_feature_set(feature_set([1, 2, 3]), covariates=covariates)
    assert bags.covariates.dtype == torch.float32
    chosen = bags.select(torch.tensor([2, 0])).covariates.numpy()
    assert np.array_equal(chosen, covariates[[2, 0]].astype(np.float32), equal_nan=True)
    parts = list(batches(feature_set([1, 2, 3]), n_bags=2, covariates=covariates))
    joined = torch.cat([part.covariates for part in parts]).numpy()
    assert np.array_equal(joined, covariates.astype(np.float32), equal_nan=True)
    assert bags.with_features(bags.features[..., :2]).covariates is bags.covariates


def test_bags_without_covariates_have_none():
    assert BagBatch.from_feature_set(feature_set([1, 2])).covariates.shape == (2, 0)
    (part,) = batches(feature_set([1, 2]), n_bags=9)
    assert part.covariates.shape == (2, 0)


def test_a_photo_without_tiles_is_named():
    with pytest.raises(EmptyBagError, match=r"1 bag\(s\) hold no tile: p1"):
        BagBatch.from_feature_set(feature_set([2, 0]))


def test_no_photo_at_all_is_an_error():
    nothing = replace(feature_set([1]), offsets=np.zeros(1, dtype=np.int64), image_ids=())
    with pytest.raises(EmptyBagError, match="there is no photo"):
        BagBatch.from_feature_set(nothing)
