"""Brings everything up to date in this process, and lets a failure hold up only what needs it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from biomass_pipeline.errors import BiomassError
from biomass_pipeline.notices import Notice
from biomass_pipeline.orchestration.jobs import STAGES
from biomass_pipeline.orchestration.outlook import Look
from biomass_pipeline.orchestration.postmortem import first_sentence, part_name
from biomass_pipeline.orchestration.readiness import Attempt
from biomass_pipeline.orchestration.runs import Graph, Step
from biomass_pipeline.orchestration.staleness import Node
from biomass_pipeline.store import FeatureFolder


@dataclass(frozen=True)
class Failure:
    """A step that failed, and why."""

    step: Step
    error: BiomassError

    def notice(self) -> Notice:
        """Tells of it."""
        assets = ", ".join(f"`{node.asset}`" for node in self.step.nodes)
        return Notice(
            f"{assets}{part_name(self.step.fold)} failed",
            (
                first_sentence(str(self.error)),
                "What was finished before it is kept.",
                "It is tried again when something that it is made of changes.",
            ),
            level="error",
            facts={
                "job": self.step.job,
                "steps": [node.asset for node in self.step.nodes],
                "partition": self.step.fold,
                "error": type(self.error).__name__,
            },
        )


@dataclass(frozen=True)
class Round:
    """What one round did.

    Attributes:
        ran: What was materialized, in order.
        failures: What was not.
        held_up: Stale or missing still, because of a failure in this round or before.
    """

    ran: tuple[Node, ...]
    failures: tuple[Failure, ...]
    held_up: tuple[Node, ...]


@dataclass
class Keeper:
    """Keeps a graph up to date by the rules of the automation in servers.

    Attributes:
        graph: What is kept.
        tried: The last attempt at each node. What failed is not tried again until something that
            it is made of changes; with an empty memory it is.
    """

    graph: Graph
    tried: dict[Node, Attempt] = field(default_factory=dict)

    def catch_up(
        self,
        *,
        on_step: Callable[[Step], None],
        on_failure: Callable[[Failure], None],
    ) -> Round:
        """Observe the sources and run what is stale or missing, one fold after another.

        Args:
            on_step: Called before each run.
            on_failure: Called after each run that failed.
        """
        self.graph.observe()
        ran: list[Node] = []
        failures: list[Failure] = []
        while steps := self._steps(look := self._look()):
            for step in steps:
                on_step(step)
                try:
                    self.graph.execute(step)
                except BiomassError as error:
                    self._give_up(step)
                    failures.append(Failure(step, error))
                    on_failure(failures[-1])
                else:
                    ran += step.nodes
        held_up = tuple(node for node, verdict in look.verdicts.items() if not verdict.fresh)
        return Round(tuple(ran), tuple(failures), held_up)

    def prune(self, features: FeatureFolder, extraction: str) -> None:
        """Delete replaced cache files, if all folds are current."""
        if all(verdict.fresh for verdict in self._look().verdicts.values()):
            features.prune(extraction)

    def _give_up(self, step: Step) -> None:
        """Remember what failed as tried with what its own run made of its inputs."""
        look = self._look()
        for node in step.nodes:
            if not look.verdicts[node].fresh and (attempt := look.attempt(node, last=None)):
                self.tried[node] = attempt

    def _look(self) -> Look:
        """The graph as it is now.

        Who keeps holds the project alone, so no other run counts as under way: one that a dead
        server left behind would hold everything up.
        """
        defs = self.graph.defs
        look = Look.at(
            defs.resolve_asset_graph(), self.graph.instance, resources=defs.resources or {}
        )
        return replace(look, busy=frozenset())

    def _steps(self, look: Look) -> list[Step]:
        """What may run now, one step a stage and fold."""
        found: dict[tuple[str, str | None], list[Node]] = {}
        stages = {asset: stage for stage, assets in STAGES.items() for asset in assets}
        for node, verdict in look.verdicts.items():
            attempt = None if verdict.fresh else look.attempt(node, last=self.tried.get(node))
            if attempt is not None:
                self.tried[node] = attempt
                found.setdefault((stages[node.asset], node.fold), []).append(node)
        return [
            Step(stage, tuple(look.verdicts[node] for node in members))
            for (stage, _), members in found.items()
        ]
