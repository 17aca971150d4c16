"""The models that a project has now, as they would be carried away."""

import json
from pathlib import Path
from typing import Any

from biomass_pipeline.config import Config
from biomass_pipeline.errors import MissingCheckpointError, UnreadableCheckpointError
from biomass_pipeline.features import backbone_identity, fetch_weights
from biomass_pipeline.inference.bundle import RANDOM_NOTE, Bundle
from biomass_pipeline.inference.ensemble import Ensemble
from biomass_pipeline.layout import Layout
from biomass_pipeline.mil import FoldModels, load_fold, load_ridge

# The assets whose pointers say which models are the current ones.
MODEL_ASSETS = ("mil_checkpoint", "ridge_baseline")


def current_bundle(config: Config, *, layout: Layout, base: Path) -> Bundle:
    """Put the current models of all folds together.

    Whether they were trained under this configuration is for the caller to ask.

    Args:
        config: The project's.
        layout: Where its artefacts are.
        base: What a relative `backbone.checkpoint` is relative to.

    Raises:
        MissingCheckpointError: A fold has no models yet.
        UnreadableCheckpointError: A file of a fold is damaged.
        MissingWeightsError: The backbone's weights are not to be had.
    """
    folds = tuple(_fold(layout, number) for number in range(config.folds.n_folds))
    fetch_weights(config.backbone, base=base)
    return Bundle(
        Ensemble(folds, config.training.model),
        config,
        backbone_identity(config.backbone, base=base),
        base=base,
        notes=(RANDOM_NOTE,) if config.backbone.random_weights else (),
    )


def _fold(layout: Layout, number: int) -> FoldModels:
    network, ridge = (
        _fingerprint(layout.checkpoint_pointer(name, number)) for name in MODEL_ASSETS
    )
    return FoldModels(
        load_fold(layout.checkpoint(network, number), network),
        load_ridge(layout.checkpoint(ridge, number), ridge),
    )


def _fingerprint(pointer: Path) -> str:
    """Which models are the current ones of a fold."""
    if not pointer.is_file():
        raise MissingCheckpointError(pointer)
    try:
        content: Any = json.loads(pointer.read_text(encoding="utf-8"))
        return str(content["fingerprint"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableCheckpointError(pointer, reason="it is no pointer") from error
