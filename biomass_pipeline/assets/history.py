"""What the storage remembers of how each stage was made."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from biomass_pipeline.assets.blueprint import SECONDS
from biomass_pipeline.reporting import StageRecord

# From photos to scores: what a report is made of.
_STAGES = (
    "image_manifest",
    "label_table",
    "fold_assignment",
    "patch_index",
    "feature_cache",
    "mil_checkpoint",
    "ridge_baseline",
    "fold_predictions",
    "oof_predictions",
    "evaluation",
)


def stages_of(instance: dg.DagsterInstance, *, n_parts: int) -> list[StageRecord]:
    """The latest making of every stage, fold by fold; nothing where nothing is remembered.

    Args:
        instance: The storage.
        n_parts: How many folds there are.
    """
    return [record for stage in _STAGES for record in _latest(instance, stage, most=4 * n_parts)]


def _latest(instance: dg.DagsterInstance, stage: str, *, most: int) -> Iterator[StageRecord]:
    records = instance.fetch_materializations(dg.AssetKey(stage), limit=most).records
    made = [found for each in records if (found := each.asset_materialization) is not None]
    # The latest come first.
    latest = {found.partition or "": found for found in reversed(made)}
    for part in sorted(latest):
        told: dict[str, Any] = {k: v.value for k, v in latest[part].metadata.items()}
        yield StageRecord(stage, part, told.get(SECONDS), *_counts(told))


def _counts(told: Mapping[str, Any]) -> Sequence[int | None]:
    """Photos embedded and copied, or models trained and found."""
    if "photos_embedded" in told:
        return told["photos_embedded"], told["photos_reused"]
    if "reused" in told:
        return int(not told["reused"]), int(told["reused"])
    return None, None
