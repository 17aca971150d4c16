"""Modules and batches small enough to work out by hand."""

import torch

from biomass_pipeline.config import DataConfig, TrainingConfig
from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.losses import Truth
from biomass_pipeline.mil.module import BagModule, TrainingBatch
from biomass_pipeline.mil.targets import TargetSpec


def bags_of(features, mask=None):
    """Bags with these features, equal area weights and no covariates."""
    mask = torch.ones(features.shape[:2], dtype=torch.bool) if mask is None else mask
    weight = mask / mask.sum(dim=1, keepdim=True)
    return BagBatch(features * mask[..., None], mask, weight, torch.empty(len(features), 0))


def batch_of(n, *, y=1.0):
    """Bags of two tiles and three features, all 1, with five equal labels."""
    truth = Truth(torch.full((n, 5), y), torch.full((n, 3), y), torch.ones(n, 3, dtype=torch.bool))
    return TrainingBatch(bags_of(torch.ones(n, 2, 3)), truth, torch.arange(n))


def module_of(training: TrainingConfig, data: DataConfig | None = None):
    """A module for three features; its weights are of its own chance, whatever ran before."""
    targets = TargetSpec.from_config(data or DataConfig()).to_plain()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return BagModule(feature_dim=3, targets=targets, training=training.model_dump(mode="json"))


def normal(*shape, seed=0):
    """Standard normal numbers, always the same."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def seeded(seed=0):
    """A generator of one's own."""
    return torch.Generator().manual_seed(seed)
