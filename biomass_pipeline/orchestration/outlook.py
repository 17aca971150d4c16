"""One look at the graph: what is stale, what is under way, what was refused by a check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import dagster as dg

from biomass_pipeline.config import fingerprint
from biomass_pipeline.orchestration.io_managers import loss_of
from biomass_pipeline.orchestration.jobs import SOURCES, STAGES
from biomass_pipeline.orchestration.readiness import Attempt, Situation, hindrance
from biomass_pipeline.orchestration.staleness import (
    Judgement,
    Node,
    Verdict,
    backfilled,
    nodes_of,
)

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

_STAGES = {asset: stage for stage, assets in STAGES.items() for asset in assets}
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
# The newest results of a blocking check that are looked at, for each partition of its asset.
_RESULTS_EACH = 10


@dataclass
class Look:
    """The graph as it is at one tick, and what was asked for already.

    Attributes:
        graph: All assets.
        instance: The storage that remembers what was materialized.
        judgement: The staleness of each node.
        verdicts: The state of what is kept up to date, upstream first.
        busy: In a run or a backfill that has not ended.
        asked: The nodes that run, upstream first.
    """

    graph: BaseAssetGraph[Any]
    instance: dg.DagsterInstance
    judgement: Judgement
    verdicts: Mapping[Node, Verdict]
    busy: frozenset[Node]
    asked: list[Node]

    @classmethod
    def at(
        cls,
        graph: BaseAssetGraph[Any],
        instance: dg.DagsterInstance,
        *,
        resources: Mapping[str, object],
    ) -> Look:
        """Look now. A run that ends in between counts as busy still, so nothing runs twice.

        Args:
            graph: All assets.
            instance: What remembers.
            resources: Where files are kept, so that a deleted one is noticed.
        """
        wanted = [node for node in nodes_of(graph) if _is_automated(graph, node)]
        busy = _busy(instance, [*wanted, *map(Node, SOURCES)])
        judgement = Judgement(graph, instance)
        verdicts = {node: judgement.verdict(node) for node in wanted}
        for node, verdict in verdicts.items():
            asset = graph.get(dg.AssetKey(node.asset)).assets_def
            if verdict.fresh and (
                loss := loss_of(
                    asset, node.asset, node.fold, resources=resources, instance=instance
                )
            ):
                verdicts[node] = Verdict(node, missing=True, reasons=(loss,))
        return cls(graph, instance, judgement, verdicts, busy, [])

    @cached_property
    def situation(self) -> Situation:
        """The same on plain data."""
        known = {*self.verdicts, *map(Node, SOURCES)}
        return Situation(
            parents={
                node: tuple(p for p in self.judgement.parents(node) if p in known)
                for node in self.verdicts
            },
            stages=_STAGES,
            due=frozenset(
                [node for node, verdict in self.verdicts.items() if not verdict.fresh]
                # What is made of a source that nobody looked at yet would be stale at once.
                + [Node(name) for name in self._sources() if not self.judgement.was_observed(name)]
            ),
            busy=self.busy,
            refused=frozenset(self._refused()),
        )

    def _sources(self) -> list[str]:
        return [name for name in SOURCES if self.graph.has(dg.AssetKey(name))]

    def due_of(self, asset: str) -> list[Node]:
        """The folds of an asset that are stale or missing."""
        return [n for n, v in self.verdicts.items() if n.asset == asset and not v.fresh]

    def attempt(self, node: Node, *, last: Attempt | None) -> Attempt | None:
        """Ask for a node that is due, if nothing hinders it and this was not tried before."""
        if hindrance(node, self.situation, asked=self.asked):
            return None
        attempt = Attempt.following(last, inputs=self._inputs(node), before=self._newest(node)[0])
        if attempt is not None:
            self.asked.append(node)
        return attempt

    def _inputs(self, node: Node) -> str:
        """What stands for the state of a node's inputs and its code.

        A source is observed again and again, so its content counts; anything else is materialized
        for a reason, so each materialization does.
        """
        states = [
            (
                str(parent),
                self.judgement.version(parent.asset)
                if parent.asset in SOURCES
                else self._newest(parent)[0],
            )
            for parent in self.judgement.parents(node)
        ]
        return fingerprint(self.graph.get(dg.AssetKey(node.asset)).code_version, states)

    def _newest(self, node: Node) -> tuple[int | None, str | None]:
        """Storage id and run of a node's newest materialization."""
        records = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(
                asset_key=dg.AssetKey(node.asset),
                asset_partitions=None if node.fold is None else [node.fold],
            ),
            limit=1,
        ).records
        return (records[0].storage_id, records[0].run_id) if records else (None, None)

    def _refused(self) -> list[Node]:
        found: list[Node] = []
        for check in sorted(self.graph.asset_check_keys):
            if self.graph.get(check).blocking:
                found += self._refused_by(check)
        return found

    def _refused_by(self, check: dg.AssetCheckKey) -> list[Node]:
        """The nodes whose newest materialization fails this check."""
        asset = check.asset_key.to_user_string()
        judged = [node for node in self.verdicts if node.asset == asset]
        history = self.instance.event_log_storage.get_asset_check_execution_history(
            check, limit=_RESULTS_EACH * max(len(judged), 1)
        )
        # What is only planned yet has no result.
        results = [
            (record.evaluation, record.run_id)
            for record in history
            if isinstance(record.evaluation, dg.AssetCheckEvaluation)
        ]
        if all(result.passed for result, _ in results):
            return []
        refused = []
        for node in judged:
            newest, run = self._newest(node)
            # The newest first; a check in the step of its asset does not know the event it judges.
            about = (
                result for result, run_id in results if run_id == run or _target(result) == newest
            )
            result = next(about, None)
            if result and not result.passed and result.severity == dg.AssetCheckSeverity.ERROR:
                refused.append(node)
        return refused


def _is_automated(graph: BaseAssetGraph[Any], node: Node) -> bool:
    return graph.get(dg.AssetKey(node.asset)).automation_condition is not None


def _target(result: dg.AssetCheckEvaluation) -> int | None:
    target = result.target_materialization_data
    return target.storage_id if target else None


def _busy(instance: dg.DagsterInstance, known: list[Node]) -> frozenset[Node]:
    """What runs that have not ended, and backfills, will materialize."""
    found: set[Node] = set()
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
        assets, fold = _assets_of(run), run.tags.get("dagster/partition")
        found |= {
            node
            for node in known
            if (assets is None or node.asset in assets)
            and (fold is None or node.fold in {None, fold})
        }
    targets = backfilled(instance)
    return frozenset(found | {node for node in known if node.asset in targets})


def _assets_of(run: dg.DagsterRun) -> set[str] | None:
    """The assets of a run; None: it does not say, so it may be all of them."""
    if run.asset_selection is not None:
        return {key.to_user_string() for key in run.asset_selection}
    if run.job_name == "observe":
        return {*SOURCES}
    return {*STAGES[run.job_name]} if run.job_name in STAGES else None
