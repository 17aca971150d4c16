"""What must hold of photos and labels before folds are made of them."""

import pandas as pd

from biomass_pipeline.config import DataConfig
from biomass_pipeline.evaluation import (
    MANIFEST,
    Finding,
    check_label_outliers,
    check_label_sums,
    check_schema,
    label_schema,
)
from biomass_pipeline.orchestration.checks.rules import WARN, Rule


def door_rules(data: DataConfig) -> list[Rule]:
    """Of `image_manifest` and `label_table`."""

    def manifest_is_well_formed(image_manifest: pd.DataFrame) -> Finding:
        """Columns are there, numbers are numbers, and each usable photo is there once."""
        return check_schema(image_manifest, MANIFEST)

    def quarantine_below_limit(image_manifest: pd.DataFrame) -> Finding:
        """Few enough photos are quarantined to go on."""
        quarantined = int((image_manifest["status"] == "quarantined").sum())
        fraction = quarantined / max(len(image_manifest), 1)
        limit = data.max_quarantined_fraction
        told = f"{fraction:.1%} of the photos are quarantined; the limit is {limit:.1%}."
        facts = {"quarantined": quarantined, "share": fraction, "limit": limit}
        return Finding(quarantined <= limit * len(image_manifest), told, facts=facts)

    def labels_are_well_formed(label_table: pd.DataFrame) -> Finding:
        """Columns are there, labels are finite and not negative, and each photo is there once."""
        return check_schema(label_table, label_schema(data))

    def label_sums_hold(label_table: pd.DataFrame) -> Finding:
        """Sums among the labels are those of their parts; only gross differences block."""
        return check_label_sums(label_table, data)

    def labels_are_plausible(label_table: pd.DataFrame) -> Finding:
        """No label is far from its group's, and no group far from the others."""
        return check_label_outliers(label_table, data)

    return [
        Rule("image_manifest", manifest_is_well_formed, blocking=True),
        Rule("image_manifest", quarantine_below_limit),
        Rule("label_table", labels_are_well_formed, blocking=True),
        Rule("label_table", label_sums_hold, blocking=True),
        Rule("label_table", labels_are_plausible, WARN),
    ]
