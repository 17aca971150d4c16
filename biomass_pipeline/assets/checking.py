"""What a look at data found, in Dagster's words, and what earlier looks had found."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from biomass_pipeline.assets.blueprint import markdown_table
from biomass_pipeline.evaluation import Finding

# More would make an event heavy, and nobody reads it in the UI.
_MOST_CASES = 20


def check_result(
    finding: Finding, *, name: str, asset: str, severity: dg.AssetCheckSeverity
) -> dg.AssetCheckResult:
    """A finding as the result of a check; what failed and is not grave is a warning at most."""
    metadata: dict[str, Any] = dict(finding.facts)
    if len(finding.table):
        metadata["cases"] = dg.MetadataValue.md(markdown_table(finding.table.head(_MOST_CASES)))
    # A number at every look, zero as well: the UI draws how it went.
    metadata["n_cases"] = len(finding.table)
    return dg.AssetCheckResult(
        passed=finding.passed,
        check_name=name,
        asset_key=asset,
        severity=severity if finding.grave or finding.passed else dg.AssetCheckSeverity.WARN,
        description=finding.sentence,
        metadata=metadata,
    )


def earlier_metadata(
    instance: dg.DagsterInstance, asset: str, *, most: int = 50
) -> list[Mapping[str, Any]]:
    """What an asset's materializations reported of themselves, the latest first.

    Args:
        instance: The storage that remembers them.
        asset: All its partitions.
        most: How many.
    """
    records = instance.fetch_materializations(dg.AssetKey(asset), limit=most).records
    return [
        {name: value.value for name, value in found.metadata.items()}
        for record in records
        if (found := record.asset_materialization) is not None
    ]
