"""Scores and intervals as pure functions of arrays: no files, no models, no tables."""

from biomass_pipeline.scoring.bootstrap import (
    PairedComparison,
    bootstrap_differences,
    bootstrap_weighted_r2,
    compare_models,
)
from biomass_pipeline.scoring.crps import crps_of_draws
from biomass_pipeline.scoring.grouping import group_weights
from biomass_pipeline.scoring.intervals import (
    CONFORMAL_METHODS,
    IntervalScore,
    attainable_level,
    conformal_halfwidths,
    group_conformal_halfwidth,
    one_per_group_halfwidth,
    score_intervals,
)
from biomass_pipeline.scoring.metric import TargetScore, kg_per_ha, score_target, weighted_r2
from biomass_pipeline.scoring.paddocks import (
    ErrorVariance,
    PaddockMean,
    error_variance,
    paddock_mean,
)
from biomass_pipeline.scoring.pit import pit_histogram, pit_of_draws
from biomass_pipeline.scoring.reconciliation import mint_weights, reconcile
from biomass_pipeline.scoring.reliability import (
    ReliabilityBin,
    brier_score,
    presence_reliability,
)
from biomass_pipeline.scoring.spread import Spread, fit_spread

__all__ = [
    "CONFORMAL_METHODS",
    "ErrorVariance",
    "IntervalScore",
    "PaddockMean",
    "PairedComparison",
    "ReliabilityBin",
    "Spread",
    "TargetScore",
    "attainable_level",
    "bootstrap_differences",
    "bootstrap_weighted_r2",
    "brier_score",
    "compare_models",
    "conformal_halfwidths",
    "crps_of_draws",
    "error_variance",
    "fit_spread",
    "group_conformal_halfwidth",
    "group_weights",
    "kg_per_ha",
    "mint_weights",
    "one_per_group_halfwidth",
    "paddock_mean",
    "pit_histogram",
    "pit_of_draws",
    "presence_reliability",
    "reconcile",
    "score_intervals",
    "score_target",
    "weighted_r2",
]
