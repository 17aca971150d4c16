"""Asset checks: what must hold of a table before anything is trained or reported on it."""

import dagster as dg
import pandas as pd

from biomass_pipeline.assets import features_of
from biomass_pipeline.config import DataConfig
from biomass_pipeline.evaluation import alarms
from biomass_pipeline.store import Cache


def build_checks(data: DataConfig) -> list[dg.AssetChecksDefinition]:
    """The checks of one project."""

    @dg.asset_check(asset="image_manifest")
    def quarantine_below_limit(image_manifest: pd.DataFrame) -> dg.AssetCheckResult:
        """Few enough photos are quarantined to go on."""
        quarantined = int((image_manifest["status"] == "quarantined").sum())
        fraction = quarantined / max(len(image_manifest), 1)
        limit = data.max_quarantined_fraction
        return dg.AssetCheckResult(
            passed=quarantined <= limit * len(image_manifest),
            description=f"{fraction:.1%} of the photos are quarantined; the limit is {limit:.1%}.",
        )

    @dg.asset_check(asset="fold_assignment", blocking=True)
    def no_group_straddles_folds(fold_assignment: pd.DataFrame) -> dg.AssetCheckResult:
        """Photos of one group are held out together."""
        folds = fold_assignment.groupby("group")["fold"].nunique()
        straddling = sorted(folds[folds > 1].index)
        return dg.AssetCheckResult(
            passed=not straddling,
            description=f"{len(straddling)} of {len(folds)} groups are in more than one fold.",
            metadata={"groups": straddling[:20]},
        )

    @dg.asset_check(
        asset="oof_predictions", blocking=True, additional_ins={"label_table": dg.AssetIn()}
    )
    def each_photo_is_predicted_once(
        oof_predictions: pd.DataFrame, label_table: pd.DataFrame
    ) -> dg.AssetCheckResult:
        """Every photo has one out-of-fold prediction a model and target, and a label.

        That a labelled photo is missing only if it was quarantined, pooling itself makes sure of.
        """
        keys = ["model", "target", "image_id"]
        photos, labelled = set(oof_predictions["image_id"]), set(label_table["image_id"])
        counts = oof_predictions.groupby(keys[:2])["image_id"].agg(["size", "nunique"])
        whole = bool((counts == len(photos)).all(axis=None))
        return dg.AssetCheckResult(
            passed=whole and bool(photos) and photos <= labelled,
            description=f"{len(photos)} of {len(labelled)} labelled photos are predicted; every "
            f"model and target has {counts['size'].min()} to {counts['size'].max()} predictions.",
        )

    @dg.asset_check(asset="oof_predictions", additional_ins={"feature_cache": dg.AssetIn()})
    def no_leak_is_suspected(
        oof_predictions: pd.DataFrame, feature_cache: dict[int, Cache]
    ) -> dg.AssetCheckResult:
        """Nothing in scores or features looks too good to be true; a warning, no proof."""
        found = alarms(oof_predictions, data=data, features=features_of(feature_cache))
        raised = [alarm.sentence for alarm in found if alarm.raised]
        return dg.AssetCheckResult(
            passed=not raised,
            severity=dg.AssetCheckSeverity.WARN,
            description=" ".join(raised) or f"None of {len(found)} alarms is raised.",
            metadata={alarm.name: alarm.sentence for alarm in found},
        )

    return [
        no_leak_is_suspected,
        quarantine_below_limit,
        no_group_straddles_folds,
        each_photo_is_predicted_once,
    ]
