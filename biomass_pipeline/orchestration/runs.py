"""Runs what is stale or missing and nothing else, a stage at a time, saying what and why."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

import dagster as dg

from biomass_pipeline.errors import (
    BiomassError,
    SeveralRunsFailedError,
    UnknownSelectionError,
    UnsettledAssetError,
)
from biomass_pipeline.orchestration.automation import CAUSE_TAG
from biomass_pipeline.orchestration.exclusion import COMMAND_TAGS
from biomass_pipeline.orchestration.failures import failure
from biomass_pipeline.orchestration.io_managers import loss_of
from biomass_pipeline.orchestration.jobs import OPTIONAL, SOURCES, STAGES
from biomass_pipeline.orchestration.staleness import Judgement, Node, Verdict, nodes

# An asset that is stale again right after it ran would run for ever.
_MOST_RUNS = 3


@dataclass(frozen=True)
class Step:
    """One Dagster run: assets of one stage, of one fold or of none."""

    job: str
    verdicts: tuple[Verdict, ...]

    @property
    def fold(self) -> str | None:
        """The partition it runs on."""
        return self.verdicts[0].node.fold

    @property
    def nodes(self) -> tuple[Node, ...]:
        """What it materializes."""
        return tuple(verdict.node for verdict in self.verdicts)

    def __str__(self) -> str:
        if self.fold is None:
            return self.job
        return f"{self.job} fold {self.fold}" if self.fold.isdigit() else f"{self.job} {self.fold}"


OnStep = Callable[[Step], None]
OnFailure = Callable[[Step, BiomassError], None]


def _say_nothing(_: Step, __: BiomassError) -> None:
    """Whoever wants to know reads the error at the end."""


@dataclass(frozen=True)
class Graph:
    """The definitions with the storage that remembers what was materialized.

    Attributes:
        defs: Assets, jobs and resources.
        instance: The storage.
        cause: What its runs were started for, on each of them; empty if somebody asked for them.
    """

    defs: dg.Definitions
    instance: dg.DagsterInstance
    cause: str = ""

    def observe(self) -> None:
        """Record the present versions of the sources."""
        self._execute("observe", [Node(name) for name in SOURCES], fold=None)

    def verdicts(
        self, wanted: Collection[Node], judgement: Judgement | None = None
    ) -> list[Verdict]:
        """The state of each node, upstream first; a deleted file counts as missing.

        Args:
            wanted: Of which nodes.
            judgement: What was asked of the storage already; None asks it now.
        """
        asked = judgement or self._judgement()
        ordered = [node for node in nodes(self.defs) if node in wanted]
        return [self._on_disk(asked.verdict(node)) for node in ordered]

    def optional_verdicts(self) -> list[Verdict]:
        """The state of the optional stages of which anything was ever made, upstream first."""
        found: list[Verdict] = []
        for stage in OPTIONAL:
            wanted = [node for node in nodes(self.defs) if node.asset in STAGES[stage]]
            states = self.verdicts(wanted)
            if not all(verdict.missing for verdict in states):
                found += states
        return found

    def select(self, selection: str | None = None, *, fold: int | None = None) -> list[Node]:
        """The nodes that a Dagster selection such as `feature_cache+` and a fold name.

        Raises:
            UnknownSelectionError: It selects nothing.
        """
        found = nodes(self.defs)
        if selection is not None:
            graph = self.defs.resolve_asset_graph()
            try:
                keys = dg.AssetSelection.from_string(_in_full(selection, found)).resolve(graph)
            except dg.DagsterError:
                keys = set()
            chosen = {key.to_user_string() for key in keys}
            found = [node for node in found if node.asset in chosen]
        found = _asked(found, selection)
        if fold is not None:
            found = [node for node in found if node.fold in (None, str(fold))]
            if selection is None:
                found = self._chain(found)
        if not found or (fold is not None and all(node.fold is None for node in found)):
            place = "" if fold is None else f"fold {fold}"
            asked = ", ".join(part for part in (selection, place) if part)
            known = {node.asset for node in nodes(self.defs)}
            folds = {node.fold for node in nodes(self.defs) if node.asset == "feature_cache"}
            raise UnknownSelectionError(asked, sorted(known), n_folds=len(folds))
        return found

    def _chain(self, of_fold: Collection[Node]) -> list[Node]:
        """A fold's model and what it learns from: every fold's features, but no pooled result."""
        upstream = {node for node in nodes(self.defs) if node.asset in STAGES["extract"]}
        pooled = (*STAGES["predict"], *STAGES["evaluate"])
        if all(node.fold is None for node in of_fold):
            return []
        chain = upstream | {node for node in of_fold if node.asset not in pooled}
        return [node for node in nodes(self.defs) if node in chain]

    def run(
        self,
        wanted: Sequence[Node],
        *,
        on_step: OnStep,
        on_failure: OnFailure = _say_nothing,
    ) -> list[Node]:
        """Materialize what is stale or missing among the nodes, until nothing is.

        A run that fails stops nothing but what depends on it: the other folds go on, and the
        failures are raised at the end.

        Args:
            wanted: Where to look.
            on_step: Called before each Dagster run.
            on_failure: Called after each that failed.

        Returns:
            Every node that ran, in order.

        Raises:
            BiomassError: An asset failed for a reason that a person can act on.
            FailedCheckError: What an asset gave cannot be built on.
            AssetFailedError: An asset failed for another reason.
            SeveralRunsFailedError: Several runs failed, not all for one reason.
            UnsettledAssetError: An asset stays stale however often it runs.
        """
        done: list[Node] = []
        failures: list[tuple[Step, BiomassError]] = []
        held = frozenset[Node]()
        while steps := self._first_stage([node for node in wanted if node not in held]):
            for step in steps:
                on_step(step)
                try:
                    self._execute(step.job, step.nodes, fold=step.fold)
                except BiomassError as error:
                    failures.append((step, error))
                    on_failure(step, error)
                done += step.nodes
            _refuse_to_go_in_circles(done)
            held = self._behind([node for step, _ in failures for node in step.nodes])
        _raise(failures)
        return done

    def _judgement(self) -> Judgement:
        return Judgement(self.defs.resolve_asset_graph(), self.instance)

    def _behind(self, failed: Collection[Node]) -> frozenset[Node]:
        """The nodes that failed, and everything that is made of them, however far on."""
        judgement = self._judgement()
        held = set(failed)
        for node in nodes(self.defs) if held else ():
            if held.intersection(judgement.parents(node)):
                held.add(node)
        return frozenset(held)

    def execute(self, step: Step) -> None:
        """Run one step, whether it has to or not.

        Raises:
            BiomassError: As `run` does.
        """
        self._execute(step.job, step.nodes, fold=step.fold)

    def _first_stage(self, free: Sequence[Node]) -> list[Step]:
        """The runs of the earliest stage that has something to do, one a fold.

        Stages behind it are not looked at: they are asked about once it has run.
        """
        judgement = self._judgement()
        for job, assets in STAGES.items():
            by_fold: dict[str | None, list[Verdict]] = defaultdict(list)
            for verdict in self.verdicts([n for n in free if n.asset in assets], judgement):
                if not verdict.fresh:
                    by_fold[verdict.node.fold].append(verdict)
            if by_fold:
                return [Step(job, self._ready(members)) for members in by_fold.values()]
        return []

    def _ready(self, verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
        """Those with no fresh asset between them and another of them, which may turn stale yet."""
        graph = self.defs.resolve_asset_graph()
        dirty = {dg.AssetKey(verdict.node.asset) for verdict in verdicts}

        def waits(key: dg.AssetKey) -> bool:
            between = graph.get(key).parent_keys - dirty
            return any(dirty & graph.get_ancestor_asset_keys(parent) for parent in between)

        return tuple(v for v in verdicts if not waits(dg.AssetKey(v.node.asset)))

    def _on_disk(self, verdict: Verdict) -> Verdict:
        if verdict.missing:
            return verdict
        node = verdict.node
        definition = self.defs.get_assets_def(node.asset)
        loss = loss_of(
            definition,
            node.asset,
            node.fold,
            resources=self.defs.resources or {},
            instance=self.instance,
        )
        return replace(verdict, missing=True, reasons=(loss,)) if loss else verdict

    def _execute(self, job: str, chosen: Sequence[Node], *, fold: str | None) -> None:
        definition = self.defs.resolve_job_def(job)
        run_id = str(uuid4())
        try:
            definition.execute_in_process(
                run_id=run_id,
                instance=self.instance,
                partition_key=fold,
                asset_selection=[dg.AssetKey(node.asset) for node in chosen],
                tags={**COMMAND_TAGS, **({CAUSE_TAG: self.cause} if self.cause else {})},
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
        except Exception as error:  # noqa: BLE001  # whatever an asset's code may raise
            raise failure(error, self.instance, run_id=run_id, fold=fold) from None


def _refuse_to_go_in_circles(done: Sequence[Node]) -> None:
    node, count = Counter(done).most_common(1)[0]
    if count > _MOST_RUNS:
        raise UnsettledAssetError(str(node), count)


def _raise(failures: Sequence[tuple[Step, BiomassError]]) -> None:
    """One error for all: the first one, if they say the same."""
    reasons = {str(error) for _, error in failures}
    if len(reasons) > 1:
        raise SeveralRunsFailedError([(str(step), str(error)) for step, error in failures])
    for _, error in failures[:1]:
        raise error


def _in_full(selection: str, known: Sequence[Node]) -> str:
    """A selection with `key:"..."` around bare names, as the UI reads it.

    Around a bare name Dagster takes `+` for one step; around a key, for all of them.
    """
    names = "|".join(sorted({node.asset for node in known}))
    return re.sub(rf'(?<![\w":*])(?:{names})(?![\w":*])', r'key:"\g<0>"', selection)


def _asked(found: Sequence[Node], selection: str | None) -> list[Node]:
    """Without what is optional, unless the selection names it or takes everything."""
    words = selection or ""
    left_out = {
        asset
        for stage, group in OPTIONAL.items()
        if words != "*" and not any(name in words for name in (group, *STAGES[stage]))
        for asset in STAGES[stage]
    }
    return [node for node in found if node.asset not in left_out]
