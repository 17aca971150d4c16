"""Checks of features, made where they are written.

Not `@asset_check`s: those cannot follow the partition of the run yet.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import dagster as dg
import pandas as pd

from biomass_pipeline.assets.checking import check_result
from biomass_pipeline.evaluation import (
    FeatureSummary,
    Finding,
    check_dead_dimensions,
    check_norms,
)
from biomass_pipeline.store import Cache

FINITE: Final = "features_are_finite"
_NORMS: Final = "norms_are_as_before"
_DEAD: Final = "dimensions_are_alive"
_SENTENCES: Final = {
    FINITE: "No photo has a feature that is NaN or infinite.",
    _NORMS: "The median norm is that of earlier folds and runs of the same extraction.",
    _DEAD: "Most dimensions tell tiles apart.",
}


def feature_specs(asset: str) -> list[dg.AssetCheckSpec]:
    """The checks that an asset of features reports."""
    return [
        dg.AssetCheckSpec(name, asset=asset, description=sentence, blocking=name == FINITE)
        for name, sentence in _SENTENCES.items()
    ]


def feature_checks(
    cache: Cache, *, asset: str, past: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, float | int], list[dg.AssetCheckResult]]:
    """Read features back, and look at them.

    Args:
        cache: The features.
        asset: Whose they are.
        past: What earlier materializations reported; those of other extractions take no part.

    Returns:
        What later ones are compared with, and the checks.
    """
    broken = list(cache.broken_photos())
    summary = FeatureSummary.of(cache.load())
    alike = [
        each
        for each in past
        if each.get("extraction_fingerprint") == cache.fingerprint and "norm_median" in each
    ]
    findings = {
        FINITE: Finding(
            not broken,
            f"{len(broken)} photos have features that are NaN or infinite.",
            pd.DataFrame({"image_id": broken}),
            {"rows": summary.n_rows},
        ),
        _NORMS: check_norms(summary, alike),
        _DEAD: check_dead_dimensions(summary),
    }
    error, warn = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
    return summary.metadata(), [
        check_result(found, name=name, asset=asset, severity=error if name == FINITE else warn)
        for name, found in findings.items()
    ]
