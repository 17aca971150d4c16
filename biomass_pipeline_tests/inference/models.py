"""Fold models that nobody had to train: random networks, fitted ridges, and bundles of them."""

import numpy as np
import torch

from biomass_pipeline.config import BackboneConfig, Config, DataConfig, TilingConfig, TrainingConfig
from biomass_pipeline.features import backbone_identity
from biomass_pipeline.inference.bundle import Bundle
from biomass_pipeline.inference.ensemble import Ensemble
from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.checkpoints import TrainedFold
from biomass_pipeline.mil.fitted import FittedNetwork, predict_inner
from biomass_pipeline.mil.models import FoldModels
from biomass_pipeline.mil.network import BagNetwork, outputs_of
from biomass_pipeline.mil.ridge import fit_ridge
from biomass_pipeline.mil.targets import Recipe, TargetSpec, align_labels
from biomass_pipeline.store.bags import FeatureSet

SMALL = TrainingConfig(
    hidden_dim=8,
    attention_dim=4,
    n_heads=2,
    n_layers=2,
    n_queries=2,
    ridge={"poolings": ["mean"], "relevances": [0.0, 1.0], "alphas": [0.1, 1.0]},
)


def untrained_fold(field, training, *, n_networks=2, seed=0, data=None) -> FoldModels:
    """A fold's models: networks as they are before training, and a ridge of the field."""
    data = data or DataConfig()
    targets = TargetSpec.from_config(data)
    labelled = align_labels(
        field.labels,
        field.features.image_ids,
        names=data.target_names,
        covariates=training.covariates,
        date_column=data.date_column,
    )
    bags = BagBatch.from_feature_set(field.features, covariates=labelled.covariates)
    members = []
    for number in range(n_networks):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + number)
            network = _network(bags, labelled, targets, training)
        inner = predict_inner(
            network,
            network.scaled(bags),
            labelled,
            outputs=outputs_of(targets, training),
            seed=number,
        )
        hyper = {
            "feature_dim": field.features.feature_dim,
            "targets": targets.to_plain(),
            "training": training.model_dump(),
        }
        members.append(FittedNetwork(network, inner, number, 0.25 + number, hyper))
    recipe = Recipe(data, training, fingerprint=f"ridge{seed}")
    return FoldModels(
        TrainedFold.assemble(tuple(members), fingerprint=f"network{seed}"),
        fit_ridge(field.features, field.labels, recipe=recipe),
    )


def _network(bags, labelled, targets, training):
    network = BagNetwork(
        feature_dim=bags.features.shape[-1],
        targets=outputs_of(targets, training),
        training=training,
    )
    network.labels.fit(labelled.y)
    outputs = labelled.y[:, list(targets.component_columns)]
    network.scaler.fit(bags, outputs)
    network.build()
    if network.covariates is not None:
        network.covariates.fit(bags.covariates)
        # A fresh network is deaf to what is beside the photo.
        torch.nn.init.normal_(network.covariates.last.weight)
    return network.eval().requires_grad_(requires_grad=False)


def bundle_of(folds, *, backbone="colour-texture", model="auto", data=None, **config) -> Bundle:
    """A bundle of these folds for a backbone without weights."""
    spec = backbone if isinstance(backbone, BackboneConfig) else BackboneConfig(name=backbone)
    settings = Config(
        name="small",
        data=data or DataConfig(),
        backbone=spec,
        tiling=TilingConfig(tile_px=16, stride_px=16),
        **{"evaluation": {"n_draws": 40}, **config},
    )
    return Bundle(Ensemble(tuple(folds), model), settings, backbone_identity(spec))


def same(one, other) -> bool:
    """Whether two predictions are equal by every bit."""
    names = ("components", "lower", "upper", "draws")
    return one.image_ids == other.image_ids and all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in names
    )


def photos_like(field, n_bags=5) -> FeatureSet:
    """Other photos of the field's width."""
    return field.features.part(0, n_bags)
