"""Which assets are stale, asked of the resolver that the UI asks.

Dagster has no public call for it, so its private one is used here and nowhere else; a contract test
names the versions that it is known to work on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.data_version import (
    DEFAULT_DATA_VERSION,
    CachingStaleStatusResolver,
    StaleStatus,
)
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.loader import LoadingContext, LoadingContextForTest
from dagster._core.storage.event_log.base import AssetRecord

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

# The version of what was never made or looked at.
NO_VERSION = DEFAULT_DATA_VERSION.value
# The reason that no other asset gave.
OF_CONFIGURATION = "its code or its part of the configuration changed"


@dataclass(frozen=True, order=True)
class Node:
    """One asset, or one fold of it."""

    asset: str
    fold: str | None = None

    def __str__(self) -> str:
        return self.asset if self.fold is None else f"{self.asset}[{self.fold}]"


@dataclass(frozen=True)
class Verdict:
    """Whether a node has to run, and the sentences that say why."""

    node: Node
    missing: bool
    reasons: tuple[str, ...]

    @property
    def fresh(self) -> bool:
        """Nothing to do."""
        return not self.missing and not self.reasons


def nodes(defs: dg.Definitions) -> list[Node]:
    """Every materializable asset and fold, upstream first."""
    return nodes_of(defs.resolve_asset_graph())


def nodes_of(graph: BaseAssetGraph[Any]) -> list[Node]:
    """The same of an asset graph."""
    ordered = [key for level in graph.toposorted_asset_keys_by_level for key in sorted(level)]
    found: list[Node] = []
    for key in ordered:
        asset = graph.get(key)
        if not asset.is_materializable:
            continue
        folds = asset.partitions_def.get_partition_keys() if asset.partitions_def else [None]
        found += [Node(key.to_user_string(), fold) for fold in folds]
    return found


def judge(
    defs: dg.Definitions, instance: dg.DagsterInstance, wanted: Iterable[Node]
) -> list[Verdict]:
    """Ask for the state of each node as the event log has it now."""
    judgement = Judgement(defs.resolve_asset_graph(), instance)
    return [judgement.verdict(node) for node in wanted]


class Judgement:
    """The state of an asset graph at one time; what was asked for once is not asked again."""

    def __init__(self, graph: BaseAssetGraph[Any], instance: dg.DagsterInstance) -> None:
        context: LoadingContext = LoadingContextForTest(instance)
        # One query for the newest materialization of every asset, instead of one each.
        AssetRecord.prepare(context, graph.materializable_asset_keys)
        self._graph = graph
        self._resolver = CachingStaleStatusResolver(instance, graph, context)

    def verdict(self, node: Node) -> Verdict:
        """Whether a node has to run, and why."""
        return _verdict(self._resolver, node)

    def version(self, asset: str, fold: str | None = None) -> str:
        """The present data version of an asset, or of one of its partitions."""
        return self._resolver.get_current_data_version(dg.AssetKey(asset), fold).value

    def was_observed(self, source: str) -> bool:
        """Whether anybody looked at a source yet."""
        return self.version(source) != NO_VERSION

    def parents(self, node: Node) -> tuple[Node, ...]:
        """The nodes that a node is made of, sources among them."""
        key = dg.AssetKey(node.asset)
        return tuple(
            Node(parent.to_user_string(), fold)
            for parent in sorted(self._graph.get(key).parent_keys)
            for fold in self._folds(node, parent)
        )

    def _folds(self, node: Node, parent: dg.AssetKey) -> Iterable[str | None]:
        if not self._graph.get(parent).is_partitioned:
            return (None,)
        found = self._graph.get_parent_partition_keys_for_child(
            node.fold, parent, dg.AssetKey(node.asset)
        )
        return sorted(found.partitions_subset.get_partition_keys())


def backfilled(instance: dg.DagsterInstance) -> set[str]:
    """The assets of backfills that have not ended."""
    return {
        key.to_user_string()
        for backfill in instance.get_backfills(status=BulkActionStatus.REQUESTED)
        for key in backfill.asset_selection or ()
    }


def _verdict(resolver: CachingStaleStatusResolver, node: Node) -> Verdict:
    key = dg.AssetKey(node.asset)
    status = resolver.get_status(key, node.fold)
    if status == StaleStatus.MISSING:
        return Verdict(node, missing=True, reasons=("never materialized",))
    causes = resolver.get_stale_causes(key, node.fold)
    return Verdict(node, missing=False, reasons=tuple(dict.fromkeys(map(_sentence, causes))))


def _sentence(cause: object) -> str:
    dependency = getattr(cause, "dependency", None)
    if dependency is None:
        return OF_CONFIGURATION
    if getattr(cause, "reason", "").startswith("has a new dependency on"):
        return f"now depends on {_name(dependency)}"
    return f"{_name(dependency)} changed"


def _name(key: object) -> str:
    partition = getattr(key, "partition_key", None)
    asset = getattr(key, "asset_key", key)
    name = asset.to_user_string() if isinstance(asset, dg.AssetKey) else str(asset)
    return str(Node(name, partition))
