"""`export model`, and the project's own models for who has no bundle."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from biomass_pipeline.cli.opening import open_project, opened
from biomass_pipeline.cli.terminal import open_console
from biomass_pipeline.errors import StaleModelsError
from biomass_pipeline.inference.bundle import Bundle, save_bundle
from biomass_pipeline.inference.current import MODEL_ASSETS, current_bundle
from biomass_pipeline.inference.model_card import model_card
from biomass_pipeline.orchestration import LogReporter, Verdict
from biomass_pipeline.orchestration.jobs import STAGES
from biomass_pipeline.orchestration.staleness import OF_CONFIGURATION, judge
from biomass_pipeline.project import Project

_MB = 1e6
_SCORES = frozenset({"fold_predictions", "oof_predictions", "evaluation"})
_BEFORE = frozenset(STAGES["prepare"]) | frozenset(STAGES["extract"])


@dataclass(frozen=True)
class Current:
    """A project's models with what is known of them.

    Attributes:
        bundle: What would be exported.
        metrics: Their scores; None where they were not scored, or others were.
    """

    bundle: Bundle
    metrics: Mapping[str, Any] | None


def current_models(project: Project) -> Current:
    """The project's models, if they were trained under its configuration.

    Photos and labels are not looked at anew: models of the last look are as good as they were.

    Raises:
        StaleModelsError: They were not, or there are none yet.
        BiomassError: As `current_bundle`.
    """
    with opened(project, LogReporter()) as graph:
        wanted = graph.select()
        above = [node for node in wanted if node.asset in _BEFORE]
        # Whether features are still on disk is no matter here: models outlive them.
        before = judge(graph.defs, graph.instance, above)
        verdicts = before + graph.verdicts([node for node in wanted if node not in above])
    if stale := [(str(verdict.node), _why(verdict)) for verdict in verdicts if _hinders(verdict)]:
        raise StaleModelsError(stale)
    scored = all(verdict.fresh for verdict in verdicts if verdict.node.asset in _SCORES)
    layout = project.layout
    bundle = current_bundle(project.config, layout=layout, base=project.base)
    metrics = json.loads(layout.metrics.read_text(encoding="utf-8")) if scored else None
    return Current(bundle, metrics)


def _hinders(verdict: Verdict) -> bool:
    """Whether the models cannot be taken for those of the configuration.

    Staleness goes no further than one step in Dagster: under other tiles the models are fresh as
    long as the features are, which nobody has made yet. So what they are made from counts too,
    where it is the configuration that changed.
    """
    if verdict.node.asset in MODEL_ASSETS:
        return not verdict.fresh
    return verdict.node.asset in _BEFORE and OF_CONFIGURATION in verdict.reasons


def _why(verdict: Verdict) -> str:
    return "; ".join(verdict.reasons) or "its file is gone"


def export_model(
    config: Path | None, overrides: tuple[str, ...], *, output: Path, force: bool, as_json: bool
) -> int:
    """Write the project's models as a bundle.

    Returns:
        0.
    """
    current = current_models(open_project(config, overrides))
    bundle = current.bundle
    save_bundle(bundle, output, card=model_card(bundle, current.metrics), force=force)
    n_bytes = sum(path.stat().st_size for path in output.iterdir())
    summary = {
        "bundle": str(output),
        "fingerprint": bundle.fingerprint,
        "extraction": bundle.extraction,
        "folds": len(bundle.ensemble.folds),
        "model": bundle.ensemble.model,
        "bytes": n_bytes,
        "scored": current.metrics is not None,
        "notes": list(bundle.notes),
    }
    if as_json:
        typer.echo(json.dumps(summary))
        return 0
    console = open_console()
    console.print(
        f"{output}: {summary['folds']} folds, model {bundle.fingerprint}, {n_bytes / _MB:.1f} MB. "
        f"Read MODEL_CARD.md in it first.",
        markup=False,
    )
    if current.metrics is None:
        console.print("These models were not scored: the card says so.", style="yellow")
    for note in bundle.notes:
        console.print(note, style="yellow", markup=False)
    return 0
