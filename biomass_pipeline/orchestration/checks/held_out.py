"""What must hold of held-out predictions."""

import pandas as pd

from biomass_pipeline.assets import features_of
from biomass_pipeline.config import Config
from biomass_pipeline.evaluation import (
    Finding,
    alarms,
    check_bounds,
    check_predicted_sums,
    check_schema,
    held_out_schema,
)
from biomass_pipeline.orchestration.checks.rules import WARN, Rule
from biomass_pipeline.store import Cache


def held_out_rules(config: Config) -> list[Rule]:
    """Of `oof_predictions`."""
    data, schema = config.data, held_out_schema(config.evaluation)

    def predictions_are_well_formed(oof_predictions: pd.DataFrame) -> Finding:
        """Columns are there, predictions are finite, and bounds are nested."""
        found = check_schema(oof_predictions, schema)
        return found if not found.passed else check_bounds(oof_predictions, config.evaluation)

    def each_photo_is_predicted_once(
        oof_predictions: pd.DataFrame, label_table: pd.DataFrame
    ) -> Finding:
        """Every photo has one out-of-fold prediction a model and target, and a label.

        That a labelled photo is missing only if it was quarantined, pooling itself makes sure of.
        """
        photos, labelled = set(oof_predictions["image_id"]), set(label_table["image_id"])
        counts = oof_predictions.groupby(["model", "target"])["image_id"].agg(["size", "nunique"])
        whole = bool((counts == len(photos)).all(axis=None))
        told = f"{len(photos)} of {len(labelled)} labelled photos are predicted"
        if len(counts):
            low, high = counts["size"].min(), counts["size"].max()
            told += f"; every model and target has {low} to {high} predictions"
        facts = {"predicted": len(photos), "labelled": len(labelled)}
        passed = whole and bool(photos) and photos <= labelled
        return Finding(passed, f"{told}.", facts=facts)

    def predicted_sums_hold(oof_predictions: pd.DataFrame) -> Finding:
        """Predicted sums are exactly those of their parts."""
        return check_predicted_sums(oof_predictions, data)

    def no_leak_is_suspected(
        oof_predictions: pd.DataFrame, feature_cache: dict[int, Cache]
    ) -> Finding:
        """Nothing in scores or features looks too good to be true; a warning, no proof."""
        if not len(oof_predictions) or not feature_cache:
            return Finding(passed=True, sentence="There is no prediction to look at.")
        found = alarms(oof_predictions, data=data, features=features_of(feature_cache))
        raised = [alarm.sentence for alarm in found if alarm.raised]
        return Finding(
            not raised,
            " ".join(raised) or f"None of {len(found)} alarms is raised.",
            facts={alarm.name: alarm.sentence for alarm in found},
        )

    return [
        Rule("oof_predictions", predictions_are_well_formed, blocking=True),
        Rule("oof_predictions", each_photo_is_predicted_once, blocking=True),
        Rule("oof_predictions", predicted_sums_hold, blocking=True),
        Rule("oof_predictions", no_leak_is_suspected, WARN),
    ]
