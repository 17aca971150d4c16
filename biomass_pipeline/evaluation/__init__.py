"""Judgement: predictions of all folds pooled, scored beside their floor, by target and by part."""

from biomass_pipeline.evaluation.alarms import Alarm, alarms
from biomass_pipeline.evaluation.comparison import compare_protocols
from biomass_pipeline.evaluation.floor import constant_predictions
from biomass_pipeline.evaluation.pooling import (
    PREDICTION_COLUMNS,
    held_out_predictions,
    pool_predictions,
    prediction_columns,
)
from biomass_pipeline.evaluation.protocols import Protocol, protocols_of, run_protocol
from biomass_pipeline.evaluation.scoreboard import (
    Evaluation,
    Selection,
    evaluate,
    headline_model,
    score_table,
)
from biomass_pipeline.evaluation.selection import AUTO, selection_of, with_choice

__all__ = [
    "AUTO",
    "PREDICTION_COLUMNS",
    "Alarm",
    "Evaluation",
    "Protocol",
    "Selection",
    "alarms",
    "compare_protocols",
    "constant_predictions",
    "evaluate",
    "headline_model",
    "held_out_predictions",
    "pool_predictions",
    "prediction_columns",
    "protocols_of",
    "run_protocol",
    "score_table",
    "selection_of",
    "with_choice",
]
