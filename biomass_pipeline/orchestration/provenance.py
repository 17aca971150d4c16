"""What a materialization was made of, said on the page of its asset."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import dagster as dg

from biomass_pipeline.orchestration.jobs import SOURCES
from biomass_pipeline.orchestration.staleness import NO_VERSION, Judgement, Node

P = ParamSpec("P")
R = TypeVar("R")

_VERSION_TAG = "dagster/data_version"


def traced(body: Callable[P, R]) -> Callable[P, R]:
    """The body of an asset that reports its fingerprint, and those of all that it was made of.

    Both come from the versions that Dagster judges staleness by, so they say why an asset is or is
    not up to date. They are only shown: the data version is as the body gave it.
    """

    @wraps(body)
    def told(*args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401  # R, with more metadata
        result = body(*args, **kwargs)
        if not isinstance(result, dg.MaterializeResult) or result.data_version is None:
            return result
        facts: dict[str, Any] = {"fingerprint": result.data_version.value}
        if inputs := _inputs():
            facts["made_of"] = dg.MetadataValue.md(_listing(inputs))
        return result._replace(metadata={**(result.metadata or {}), **facts})

    return told


def _inputs() -> list[tuple[Node, str]]:
    """What the step that runs here reads, with the version of each; none outside of a run."""
    try:
        context = dg.AssetExecutionContext.get()
    except dg.DagsterInvariantViolationError:
        return []
    judgement = Judgement(context.job_def.asset_layer.asset_graph, context.instance)
    fold = context.partition_key if context.has_partition_key else None
    node = Node(context.asset_key.to_user_string(), fold)
    return [
        (
            parent,
            _observed(parent, context.instance) or judgement.version(parent.asset, parent.fold),
        )
        for parent in judgement.parents(node)
    ]


def _observed(node: Node, instance: dg.DagsterInstance) -> str | None:
    """A source's version: the graph of a run does not know that its sources are observed."""
    if node.asset not in SOURCES:
        return None
    for record in instance.fetch_observations(dg.AssetKey(node.asset), limit=1).records:
        if record.asset_observation is not None:
            return record.asset_observation.tags.get(_VERSION_TAG)
    return None


def _listing(inputs: Sequence[tuple[Node, str]]) -> str:
    rows = [
        f"| `{node}` | {f'`{version}`' if version != NO_VERSION else 'none yet'} |"
        for node, version in inputs
    ]
    return "\n".join(["| made of | fingerprint |", "| --- | --- |", *rows])
