"""Scores and intervals as pure functions of arrays: no files, no models, no tables."""

from biomass_pipeline.scoring.bootstrap import bootstrap_weighted_r2
from biomass_pipeline.scoring.coherence import sums_from_components
from biomass_pipeline.scoring.intervals import (
    attainable_level,
    group_conformal_halfwidth,
    interval_coverage,
)
from biomass_pipeline.scoring.metric import TargetScore, kg_per_ha, score_target, weighted_r2
from biomass_pipeline.scoring.ziln import ziln_cdf, ziln_crps, ziln_mean, ziln_quantile

__all__ = [
    "TargetScore",
    "attainable_level",
    "bootstrap_weighted_r2",
    "group_conformal_halfwidth",
    "interval_coverage",
    "kg_per_ha",
    "score_target",
    "sums_from_components",
    "weighted_r2",
    "ziln_cdf",
    "ziln_crps",
    "ziln_mean",
    "ziln_quantile",
]
