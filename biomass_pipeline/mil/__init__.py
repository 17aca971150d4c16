"""Learning from bags: aggregators, heads, losses, training, prediction, and the ridge baseline.

What may live here: everything between tile features with labels and a table of predictions. No
photo is opened, no fold is chosen and no score is computed here. Names are imported on first use,
so asking for a fingerprint does not load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from biomass_pipeline.mil.aggregators import AGGREGATORS, Aggregator, Pooled
    from biomass_pipeline.mil.bags import BagBatch
    from biomass_pipeline.mil.checkpoints import TrainedFold, load_fold
    from biomass_pipeline.mil.losses import OBJECTIVES, Objective
    from biomass_pipeline.mil.prediction import predict, tile_evidence
    from biomass_pipeline.mil.provenance import (
        CODE_VERSION,
        checkpoint_exists,
        networks_exist,
        training_fingerprint,
    )
    from biomass_pipeline.mil.ridge import (
        RidgeModel,
        fit_ridge,
        load_ridge,
        predict_ridge,
        ridge_exists,
        save_ridge,
    )
    from biomass_pipeline.mil.targets import Recipe, TargetSpec
    from biomass_pipeline.mil.training import train_fold

__all__ = [
    "AGGREGATORS",
    "CODE_VERSION",
    "OBJECTIVES",
    "Aggregator",
    "BagBatch",
    "Objective",
    "Pooled",
    "Recipe",
    "RidgeModel",
    "TargetSpec",
    "TrainedFold",
    "checkpoint_exists",
    "fit_ridge",
    "load_fold",
    "load_ridge",
    "networks_exist",
    "predict",
    "predict_ridge",
    "ridge_exists",
    "save_ridge",
    "tile_evidence",
    "train_fold",
    "training_fingerprint",
]

_MODULES = {
    "aggregators": ("AGGREGATORS", "Aggregator", "Pooled"),
    "bags": ("BagBatch",),
    "checkpoints": ("TrainedFold", "load_fold"),
    "losses": ("OBJECTIVES", "Objective"),
    "prediction": ("predict", "tile_evidence"),
    "provenance": (
        "CODE_VERSION",
        "checkpoint_exists",
        "networks_exist",
        "training_fingerprint",
    ),
    "ridge": (
        "RidgeModel",
        "fit_ridge",
        "load_ridge",
        "predict_ridge",
        "ridge_exists",
        "save_ridge",
    ),
    "targets": ("Recipe", "TargetSpec"),
    "training": ("train_fold",),
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401  # any public name
    if name not in _WHERE:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
