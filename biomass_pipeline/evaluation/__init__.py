"""Judgement: predictions of all folds pooled, scored beside their floor, by target and by part."""

from biomass_pipeline.evaluation.alarms import Alarm, alarms
from biomass_pipeline.evaluation.coherence import check_label_sums, check_predicted_sums
from biomass_pipeline.evaluation.comparison import compare_protocols
from biomass_pipeline.evaluation.drift import check_mean_shift, check_outside, mean_shift
from biomass_pipeline.evaluation.feature_health import (
    FeatureSummary,
    check_dead_dimensions,
    check_norms,
)
from biomass_pipeline.evaluation.feature_leaks import pooled_means
from biomass_pipeline.evaluation.finding import Finding, listed
from biomass_pipeline.evaluation.floor import constant_predictions
from biomass_pipeline.evaluation.fold_balance import check_fold_balance
from biomass_pipeline.evaluation.fold_scores import fold_scores, group_scores
from biomass_pipeline.evaluation.held_out import predict_held_out
from biomass_pipeline.evaluation.outliers import check_label_outliers
from biomass_pipeline.evaluation.pooling import (
    PREDICTION_COLUMNS,
    STATE_COLUMN,
    held_out_predictions,
    pool_predictions,
    prediction_columns,
    refuse_mixed_training,
    with_training_state,
)
from biomass_pipeline.evaluation.protocols import Protocol, protocols_of, run_protocol
from biomass_pipeline.evaluation.run_difference import ScoredRun, compare_runs
from biomass_pipeline.evaluation.schemas import (
    FOLDS,
    MANIFEST,
    TILES,
    check_bounds,
    check_schema,
    held_out_schema,
    label_schema,
    prediction_schema,
)
from biomass_pipeline.evaluation.scoreboard import (
    Evaluation,
    Selection,
    evaluate,
    headline_model,
    score_table,
)
from biomass_pipeline.evaluation.selection import AUTO, selection_of, with_choice
from biomass_pipeline.evaluation.standing import (
    check_coverage,
    check_floor,
    check_standing,
    standing,
)

__all__ = [
    "AUTO",
    "FOLDS",
    "MANIFEST",
    "PREDICTION_COLUMNS",
    "STATE_COLUMN",
    "TILES",
    "Alarm",
    "Evaluation",
    "FeatureSummary",
    "Finding",
    "Protocol",
    "ScoredRun",
    "Selection",
    "alarms",
    "check_bounds",
    "check_coverage",
    "check_dead_dimensions",
    "check_floor",
    "check_fold_balance",
    "check_label_outliers",
    "check_label_sums",
    "check_mean_shift",
    "check_norms",
    "check_outside",
    "check_predicted_sums",
    "check_schema",
    "check_standing",
    "compare_protocols",
    "compare_runs",
    "constant_predictions",
    "evaluate",
    "fold_scores",
    "group_scores",
    "headline_model",
    "held_out_predictions",
    "held_out_schema",
    "label_schema",
    "listed",
    "mean_shift",
    "pool_predictions",
    "pooled_means",
    "predict_held_out",
    "prediction_columns",
    "prediction_schema",
    "protocols_of",
    "refuse_mixed_training",
    "run_protocol",
    "score_table",
    "selection_of",
    "standing",
    "with_choice",
    "with_training_state",
]
