"""Which assets are stale, asked of the resolver that the UI asks.

Dagster has no public call for it, so its private one is used here and nowhere else; a contract test
names the versions that it is known to work on.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContext, LoadingContextForTest


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
    graph = defs.resolve_asset_graph()
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
    context: LoadingContext = LoadingContextForTest(instance)
    resolver = CachingStaleStatusResolver(instance, defs.resolve_asset_graph(), context)
    return [_verdict(resolver, node) for node in wanted]


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
        return "its code or its part of the configuration changed"
    if getattr(cause, "reason", "").startswith("has a new dependency on"):
        return f"now depends on {_name(dependency)}"
    return f"{_name(dependency)} changed"


def _name(key: object) -> str:
    partition = getattr(key, "partition_key", None)
    asset = getattr(key, "asset_key", key)
    name = asset.to_user_string() if isinstance(asset, dg.AssetKey) else str(asset)
    return str(Node(name, partition))
