"""The rules of what may run by itself, on plain data: what is due, what is busy, what was tried."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from biomass_pipeline.orchestration.staleness import Node

# An asset that is due again right after it ran, by the same inputs, would run for ever.
MOST_TIMES = 5


@dataclass(frozen=True)
class Situation:
    """The graph at one look.

    Attributes:
        parents: What each node is made of; without what is made on request only.
        stages: The stage of each asset; a stage's assets may share a run.
        due: Stale, missing, or without their file.
        busy: In a run that has not ended, or in a backfill.
        refused: Their present content failed a blocking check.
    """

    parents: Mapping[Node, tuple[Node, ...]]
    stages: Mapping[str, str]
    due: frozenset[Node]
    busy: frozenset[Node] = frozenset()
    refused: frozenset[Node] = frozenset()

    def ancestors(self, node: Node) -> frozenset[Node]:
        """Everything that a node is made of, however far back."""
        found: set[Node] = set()
        left = list(self.parents.get(node, ()))
        while left:
            parent = left.pop()
            if parent not in found:
                found.add(parent)
                left += self.parents.get(parent, ())
        return frozenset(found)

    def assets_above(self, asset: str) -> frozenset[str]:
        """What an asset is made of, whatever the fold: in one run a step waits for all of it."""
        found: set[str] = set()
        left = {asset}
        while left:
            one = left.pop()
            above = {p.asset for n, ps in self.parents.items() if n.asset == one for p in ps}
            left |= above - found
            found |= above
        return frozenset(found)


@dataclass(frozen=True)
class Attempt:
    """The last request of a node: a state of its inputs is tried once.

    Attributes:
        inputs: What stood for the state of its inputs and its code.
        before: Its newest materialization at that time, None if it had none.
        times: How often this state of the inputs was asked for.
    """

    inputs: str
    before: int | None
    times: int = 1

    @classmethod
    def following(
        cls, last: "Attempt | None", *, inputs: str, before: int | None
    ) -> "Attempt | None":
        """The next attempt, or None if there is to be none.

        One that failed is not repeated until an input or the code changes, so nothing loops. One
        that succeeded may be: its file was deleted, or an input came and went. But not for ever.
        """
        if last is None or last.inputs != inputs:
            return cls(inputs, before)
        if last.before == before or last.times >= MOST_TIMES:
            return None
        return cls(inputs, before, last.times + 1)


def hindrance(node: Node, situation: Situation, *, asked: Collection[Node]) -> str | None:
    """Why a node that is due may not run yet; None if it may.

    Args:
        node: The node.
        situation: The graph at this look.
        asked: What was asked for at this look already, upstream first.

    Returns:
        A sentence without its full stop.
    """
    return next(_hindrances(node, situation, asked=asked), None)


def _hindrances(node: Node, situation: Situation, *, asked: Collection[Node]) -> Iterator[str]:
    ancestors = situation.ancestors(node)
    if node in situation.busy:
        yield "it is running"
    if running := ancestors & situation.busy:
        yield f"{_names(running)} is running"
    dirty = ancestors & situation.due
    together = {other for other in asked if _share_a_run(node, other, situation.stages)}
    if waiting := dirty - together:
        yield f"{_names(waiting)} has to run before"
    # A fresh one between the two may turn stale yet, or may not: which, only the run will show.
    fresh = {parent for parent in situation.parents.get(node, ()) if parent not in dirty}
    if unsure := {parent for parent in fresh if situation.ancestors(parent) & dirty}:
        yield f"{_names(unsure)} may have to run before"
    # In one run a step waits for another fold's worth of what it does not read, and fails with it.
    above = situation.assets_above(node.asset)
    beside = {one for one in asked if one.fold == node.fold and one.asset in above} - ancestors
    if beside:
        yield f"{_names(beside)} would be in its run"
    if refused := (ancestors & situation.refused) - together:
        yield f"a blocking check of {_names(refused)} failed"


def _share_a_run(node: Node, other: Node, stages: Mapping[str, str]) -> bool:
    """Dagster puts what has one partition in one run; only a stage's own assets may rely on it."""
    stage = stages.get(node.asset)
    return stage is not None and stage == stages.get(other.asset) and node.fold == other.fold


def _names(nodes: Collection[Node], shown: int = 3) -> str:
    names = sorted(map(str, nodes))
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
