"""Judgement: predictions of all folds pooled, scored beside their floor, by target and by part."""

from biomass_pipeline.evaluation.floor import constant_predictions
from biomass_pipeline.evaluation.pooling import (
    PREDICTION_COLUMNS,
    held_out_predictions,
    pool_predictions,
)
from biomass_pipeline.evaluation.scoreboard import Evaluation, evaluate, score_table

__all__ = [
    "PREDICTION_COLUMNS",
    "Evaluation",
    "constant_predictions",
    "evaluate",
    "held_out_predictions",
    "pool_predictions",
    "score_table",
]
