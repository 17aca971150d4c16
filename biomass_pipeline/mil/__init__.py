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
    from biomass_pipeline.mil.distributions import Distribution, GammaHurdle, Tweedie, Ziln
    from biomass_pipeline.mil.fitted import FittedNetwork
    from biomass_pipeline.mil.likelihoods import LIKELIHOODS
    from biomass_pipeline.mil.losses import Objective
    from biomass_pipeline.mil.metadata import covariates_of
    from biomass_pipeline.mil.models import FoldModels
    from biomass_pipeline.mil.novelty import Novelty, fit_novelty
    from biomass_pipeline.mil.prediction import Beside, predict, tile_evidence
    from biomass_pipeline.mil.predictive import PredictionSpec, Predictive, predictive_of
    from biomass_pipeline.mil.provenance import (
        CODE_VERSION,
        checkpoint_exists,
        fold_content,
        networks_exist,
        trainers,
        training_fingerprint,
    )
    from biomass_pipeline.mil.ridge import (
        RidgeModel,
        fit_ridge,
        load_ridge,
        novelty_percentile,
        predict_ridge,
        ridge_exists,
        save_ridge,
    )
    from biomass_pipeline.mil.stack import Choice, choose, predict_stack
    from biomass_pipeline.mil.targets import Recipe, TargetSpec
    from biomass_pipeline.mil.training import (
        FitOptions,
        Parts,
        TrainingRecords,
        fit_network,
        train_fold,
    )

__all__ = [
    "AGGREGATORS",
    "CODE_VERSION",
    "LIKELIHOODS",
    "Aggregator",
    "BagBatch",
    "Beside",
    "Choice",
    "Distribution",
    "FitOptions",
    "FittedNetwork",
    "FoldModels",
    "GammaHurdle",
    "Novelty",
    "Objective",
    "Parts",
    "Pooled",
    "PredictionSpec",
    "Predictive",
    "Recipe",
    "RidgeModel",
    "TargetSpec",
    "TrainedFold",
    "TrainingRecords",
    "Tweedie",
    "Ziln",
    "checkpoint_exists",
    "choose",
    "covariates_of",
    "fit_network",
    "fit_novelty",
    "fit_ridge",
    "fold_content",
    "load_fold",
    "load_ridge",
    "networks_exist",
    "novelty_percentile",
    "predict",
    "predict_ridge",
    "predict_stack",
    "predictive_of",
    "ridge_exists",
    "save_ridge",
    "tile_evidence",
    "train_fold",
    "trainers",
    "training_fingerprint",
]

_MODULES = {
    "aggregators": ("AGGREGATORS", "Aggregator", "Pooled"),
    "bags": ("BagBatch",),
    "checkpoints": ("TrainedFold", "load_fold"),
    "distributions": ("Distribution", "GammaHurdle", "Tweedie", "Ziln"),
    "fitted": ("FittedNetwork",),
    "likelihoods": ("LIKELIHOODS",),
    "losses": ("Objective",),
    "metadata": ("covariates_of",),
    "models": ("FoldModels",),
    "novelty": ("Novelty", "fit_novelty"),
    "prediction": ("Beside", "predict", "tile_evidence"),
    "predictive": ("PredictionSpec", "Predictive", "predictive_of"),
    "provenance": (
        "CODE_VERSION",
        "checkpoint_exists",
        "fold_content",
        "networks_exist",
        "trainers",
        "training_fingerprint",
    ),
    "ridge": (
        "RidgeModel",
        "fit_ridge",
        "load_ridge",
        "novelty_percentile",
        "predict_ridge",
        "ridge_exists",
        "save_ridge",
    ),
    "stack": ("Choice", "choose", "predict_stack"),
    "targets": ("Recipe", "TargetSpec"),
    "training": (
        "FitOptions",
        "Parts",
        "TrainingRecords",
        "fit_network",
        "train_fold",
    ),
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401  # any public name
    if name not in _WHERE:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
