import numpy as np
import pytest
import torch
from scipy.stats import kstest

from biomass_pipeline.config import DataConfig
from biomass_pipeline.mil.distributions import Ziln
from biomass_pipeline.mil.fitted import InnerOutputs, predict_inner
from biomass_pipeline.mil.targets import LabelledBags, TargetSpec

TARGETS = TargetSpec.from_config(DataConfig())


class Oracle:
    """A network that gives every photo the very distribution that its labels were drawn from."""

    def __init__(self, distribution):
        self._distribution = distribution

    def distribution(self, _scaled):
        return self._distribution

    def outputs(self, _scaled):
        return self._distribution.mean


def ziln(n, *, presence_logit):
    return Ziln(
        presence_logit=torch.full((n, 3), presence_logit),
        location=torch.full((n, 3), 1.5),
        spread=torch.full((n, 3), 0.8),
    )


def drawn(distribution):
    components = distribution.sample(1, torch.Generator().manual_seed(0))[0].double().numpy()
    names = tuple(f"photo{i}" for i in range(len(components)))
    return LabelledBags(
        image_ids=names,
        groups=np.array(names),
        y=TARGETS.sums(components),
        covariates=np.empty((len(names), 0)),
    )


def predicted(n=2000, *, presence_logit=0.5, seed=0):
    distribution = ziln(n, presence_logit=presence_logit)
    labelled = drawn(distribution)
    return labelled, predict_inner(Oracle(distribution), None, labelled, outputs=TARGETS, seed=seed)


def test_ranks_of_true_distributions_are_uniform():
    _, inner = predicted()
    for ranks in inner.ranks.T:
        assert kstest(ranks, "uniform").pvalue > 0.01


def test_zeros_are_ranked_below_the_chance_of_a_zero_and_masses_above():
    labelled, inner = predicted()
    absent = ~TARGETS.present(labelled.y)
    p_zero = torch.sigmoid(torch.tensor(-0.5)).item()
    assert absent.any()
    assert (inner.ranks[absent] <= p_zero).all()
    assert (inner.ranks[~absent] >= p_zero - 1e-6).all()
    assert len(np.unique(inner.ranks[absent])) == absent.sum()


def test_a_mass_below_the_limit_is_ranked_as_the_zero_it_counts_as():
    distribution = ziln(1, presence_logit=0.0)
    labelled = drawn(distribution)
    y = TARGETS.sums(np.full((1, 3), 0.01))
    low = LabelledBags(labelled.image_ids, labelled.groups, y, labelled.covariates)
    zero = LabelledBags(labelled.image_ids, labelled.groups, 0 * y, labelled.covariates)
    ranks = [
        predict_inner(Oracle(distribution), None, given, outputs=TARGETS, seed=1).ranks
        for given in (low, zero)
    ]
    assert np.array_equal(*ranks)


def test_ranks_are_never_0_or_1():
    distribution = ziln(2, presence_logit=8.0)
    y = TARGETS.sums(np.array([[1e-30, 1e30, 0.0], [0.06, 1e6, 4.0]]))
    labelled = drawn(distribution)
    labelled = LabelledBags(labelled.image_ids, labelled.groups, y, labelled.covariates)
    ranks = predict_inner(Oracle(distribution), None, labelled, outputs=TARGETS, seed=0).ranks
    assert ((ranks > 0) & (ranks < 1)).all()


def test_the_seed_decides_ranks_of_zeros_only():
    labelled, first = predicted(200)
    _, again = predicted(200)
    _, other = predicted(200, seed=1)
    absent = ~TARGETS.present(labelled.y)
    assert np.array_equal(first.ranks, again.ranks)
    assert (first.ranks[absent] != other.ranks[absent]).all()
    assert np.array_equal(first.ranks[~absent], other.ranks[~absent])


@pytest.mark.parametrize("keep_ranks", [True, False])
def test_plain_and_back(keep_ranks):
    _, inner = predicted(5)
    if not keep_ranks:
        inner = InnerOutputs(inner.image_ids, inner.groups, inner.y, inner.outputs, None)
    again = InnerOutputs.from_plain(inner.to_plain())
    assert again.image_ids.tolist() == inner.image_ids.tolist()
    assert np.array_equal(again.y, inner.y)
    assert np.array_equal(again.outputs, inner.outputs)
    assert (again.ranks is None) == (not keep_ranks)
    joined = InnerOutputs.concatenate([inner, again])
    assert len(joined.groups) == 10
    assert (joined.ranks is None) == (not keep_ranks)
