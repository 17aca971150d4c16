"""What is stale runs by itself: one condition on every asset, and the sensor that asks it.

Dagster's own conditions follow events: an update that comes while a run is under way is lost to
them, and a failure that is missing its result is tried for ever. This one looks at the state
instead, each time anew.
"""

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from weakref import WeakKeyDictionary

import dagster as dg

from biomass_pipeline.config import AutomationConfig
from biomass_pipeline.orchestration.outlook import Look
from biomass_pipeline.orchestration.readiness import Attempt
from biomass_pipeline.orchestration.staleness import Node

SENSOR = "automation"
# What caused a run, for whoever reads the list of runs.
CAUSE_TAG = "biomass/cause"


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
        return dg.AutomationConditionSensorDefinition(
            SENSOR,
            target=dg.AssetSelection.all(),
            description="Runs what is stale or missing, once all that it is made of has settled.",
            minimum_interval_seconds=config.interval_s,
            default_status=status.RUNNING if config.enabled else status.STOPPED,
            run_tags={CAUSE_TAG: "an input, a setting or the code changed"},
            # A backfill would give all its partitions one data version.
            emit_backfills=False,
            use_user_code_server=True,
        )


class UpToDate(dg.AutomationCondition[dg.AssetKey]):
    """True where an asset is stale or missing and nothing that it is made of will change.

    Asked again at every tick, so no update is lost; a state of the inputs that failed is not tried
    again before it changes.
    """

    def __init__(self, resources: Mapping[str, object]) -> None:
        self._resources = resources
        self._looks: WeakKeyDictionary[object, Look] = WeakKeyDictionary()

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
                context.log.info("%s: %s", node, "; ".join(look.verdicts[node].reasons))
        return dg.AutomationResult(context, _subset(context, chosen), cursor=_written(tried))

    def _look(self, context: dg.AutomationContext[dg.AssetKey]) -> "Look":
        """One look a tick: all assets are judged by the same state."""
        view = context.asset_graph_view
        if view not in self._looks:
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
