"""What is stale runs by itself: one condition on every asset, and the sensor that asks it.

Dagster's own conditions follow events: an update that comes while a run is under way is lost to
them, and a failure that is missing its result is tried for ever. This one looks at the state
instead, each time anew.
"""

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import dagster as dg

from biomass_pipeline.config import AutomationConfig
from biomass_pipeline.orchestration.outlook import Look
from biomass_pipeline.orchestration.readiness import Attempt
from biomass_pipeline.orchestration.staleness import Node

if TYPE_CHECKING:
    from dagster._core.definitions.sensor_definition import SensorExecutionData

SENSOR = "automation"
# What caused a run, for whoever reads the list of runs.
CAUSE_TAG = "biomass/cause"
_SOME_CAUSE = "an input, a setting or the code changed"
_MOST_REASONS = 4


def automation_condition(
    resources: Mapping[str, object] | None = None,
) -> dg.AutomationCondition[dg.AssetKey]:
    """What keeps an asset up to date.

    Args:
        resources: Where files are kept, so that a deleted one is noticed; None: no file is looked
            for.
    """
    return UpToDate(dict(resources or {}))


def automation_sensor(config: AutomationConfig) -> dg.AutomationConditionSensorDefinition:
    """What asks the condition of every asset, and starts what it asks for."""
    status = dg.DefaultSensorStatus
    with warnings.catch_warnings():
        # Beta, but a custom condition is evaluated nowhere else.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return ExplainingSensor(
            SENSOR,
            target=dg.AssetSelection.all(),
            description="Runs what is stale or missing, once all that it is made of has settled.",
            minimum_interval_seconds=config.interval_s,
            default_status=status.RUNNING if config.enabled else status.STOPPED,
            run_tags={CAUSE_TAG: _SOME_CAUSE},
            # A backfill would give all its partitions one data version.
            emit_backfills=False,
            use_user_code_server=True,
        )


class ExplainingSensor(dg.AutomationConditionSensorDefinition):
    """The sensor, whose runs are tagged with what made them necessary."""

    # What a tick gives beside the runs; a contract test compares it with Dagster's.
    KEPT = (
        "skip_message",
        "cursor",
        "dagster_run_reactions",
        "log_key",
        "dynamic_partitions_requests",
        "asset_events",
        "automation_condition_evaluations",
    )

    def evaluate_tick(self, context: dg.SensorEvaluationContext) -> "SensorExecutionData":
        """Ask the conditions, and write on each run what they said."""
        found = super().evaluate_tick(context)
        graph = context.repository_def and context.repository_def.asset_graph
        if graph is None or not found.run_requests:
            return found
        explained = [_explained(request, graph) for request in found.run_requests]
        return type(found)(explained, **{name: getattr(found, name) for name in self.KEPT})


def _explained(request: dg.RunRequest, graph: Any) -> dg.RunRequest:  # noqa: ANN401  # not exported
    """A run with the reasons of its assets as its cause, each once."""
    found: dict[str, None] = {}
    for key in request.asset_selection or ():
        condition = graph.get(key).automation_condition
        if isinstance(condition, UpToDate):
            node = Node(key.to_user_string(), request.partition_key)
            found |= dict.fromkeys(condition.reasons.get(node, ()))
    reasons = list(found)
    more = len(reasons) - _MOST_REASONS
    told = "; ".join(reasons[:_MOST_REASONS]) + (f"; and {more} more reasons" if more > 0 else "")
    return request.with_replaced_attrs(tags={**request.tags, CAUSE_TAG: told or _SOME_CAUSE})


class UpToDate(dg.AutomationCondition[dg.AssetKey]):
    """True where an asset is stale or missing and nothing that it is made of will change.

    Asked again at every tick, so no update is lost; a state of the inputs that failed is not tried
    again before it changes.

    Attributes:
        reasons: Why each node was chosen at the last tick.
    """

    def __init__(self, resources: Mapping[str, object]) -> None:
        self._resources = resources
        self._looks: WeakKeyDictionary[object, Look] = WeakKeyDictionary()
        self.reasons: dict[Node, tuple[str, ...]] = {}

    @property
    def name(self) -> str:
        """What the UI calls it."""
        return "up_to_date"

    @property
    def description(self) -> str:
        """What the UI says of it."""
        return "Stale or missing, and all that it is made of has settled"

    def evaluate(
        self, context: dg.AutomationContext[dg.AssetKey]
    ) -> dg.AutomationResult[dg.AssetKey]:
        """Choose the partitions that run now."""
        look = self._look(context)
        tried = _read(context.cursor)
        chosen: set[str | None] = set()
        for node in look.due_of(context.key.to_user_string()):
            attempt = look.attempt(node, last=tried.get(_slot(node)))
            if attempt is not None:
                tried[_slot(node)] = attempt
                chosen.add(node.fold)
                self.reasons[node] = look.verdicts[node].reasons
                context.log.info("%s: %s", node, "; ".join(self.reasons[node]))
        return dg.AutomationResult(context, _subset(context, chosen), cursor=_written(tried))

    def _look(self, context: dg.AutomationContext[dg.AssetKey]) -> "Look":
        """One look a tick: all assets are judged by the same state."""
        view = context.asset_graph_view
        if view not in self._looks:
            self.reasons.clear()
            self._looks[view] = Look.at(
                context.asset_graph, view.instance, resources=self._resources
            )
        return self._looks[view]


def _subset(context: dg.AutomationContext[dg.AssetKey], chosen: set[str | None]) -> Any:  # noqa: ANN401
    """The partitions as Dagster has them; it does not export the type."""
    parts = context.partitions_def
    if not chosen:
        return context.get_empty_subset()
    if parts is None:
        return context.candidate_subset
    return context.asset_graph_view.get_subset_from_partition_keys(
        context.key, parts, {fold for fold in chosen if fold is not None}
    )


def _slot(node: Node) -> str:
    return node.fold or ""


def _read(cursor: str | None) -> dict[str, Attempt]:
    """What was tried; a cursor that cannot be read is as good as none."""
    try:
        return {slot: Attempt(**kept) for slot, kept in json.loads(cursor or "{}").items()}
    except (TypeError, ValueError, AttributeError):
        return {}


def _written(tried: Mapping[str, Attempt]) -> str:
    return json.dumps({slot: asdict(attempt) for slot, attempt in sorted(tried.items())})
