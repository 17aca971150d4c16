"""A tiny project whose tables, features and documents are kept in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from biomass_pipeline.assets import build_assets
from biomass_pipeline.orchestration import (
    Graph,
    InMemory,
    blueprint_of,
    build_definitions,
    build_resources,
)
from biomass_pipeline.store import MemoryFeatures
from biomass_pipeline.testing.fakes import CountingBackbone
from biomass_pipeline.testing.survey import TinySurvey, write_tiny_survey

_FEW_WORDS = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
_MANAGERS = ("io_manager", "feature_handles", "model_handles", "documents")


@dataclass
class MemoryProject:
    """Our graph on a tiny survey, with what you add to it.

    Only photos, labels, trained models and what is remembered of them are files.

    Attributes:
        survey: The photos and labels; change them and run again.
        instance: What Dagster remembers of runs.
        memory: What every asset gave, by asset and part.
        backbone: Counts the tiles that were embedded.
    """

    survey: TinySurvey
    instance: dg.DagsterInstance
    memory: InMemory = field(default_factory=InMemory)
    backbone: CountingBackbone = field(default_factory=CountingBackbone)
    features: MemoryFeatures = field(default_factory=MemoryFeatures)

    def put(self, name: str, value: object, *, part: int | str | None = None) -> None:
        """Say what one of our assets gave, instead of running it.

        Args:
            name: The asset, such as `oof_predictions`.
            value: What your asset is to read.
            part: A fold by its number; None for an asset without partitions.
        """
        self.memory.put(name, value, part=part)

    def read(self, name: str, *, part: int | str | None = None) -> Any:  # noqa: ANN401  # any asset
        """What an asset gave."""
        return self.memory.read(name, part)

    def run(self, selection: str | None = None) -> list[str]:
        """Run what is stale or missing in our graph.

        Args:
            selection: In Dagster's words, such as `+oof_predictions`; None: all of it.

        Returns:
            What ran, such as `feature_cache[0]`, in order.
        """
        graph = Graph(self.definitions(), self.instance)
        graph.observe()
        return [str(node) for node in graph.run(graph.select(selection), on_step=_silent)]

    def materialize(
        self,
        *assets: dg.AssetsDefinition,
        partition_key: str | None = None,
        resources: Mapping[str, object] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Run assets alone; what they depend on is read from memory.

        Args:
            assets: Yours, or some of ours.
            partition_key: Of all of them.
            resources: Those that only yours need.

        Raises:
            MissingTableError: Nothing was put or run for something they depend on.
        """
        chosen = {key for asset in assets for key in asset.keys}
        ours = [
            asset
            for asset in build_assets(blueprint_of(self.survey.project()))
            if asset.key not in chosen
        ]
        return dg.materialize(
            [*assets, *ours],
            selection=sorted(chosen),
            partition_key=partition_key,
            resources={**self.resources(), **(resources or {})},
            run_config=_FEW_WORDS,
        )

    def definitions(self) -> dg.Definitions:
        """Our assets on this memory."""
        return build_definitions(self.survey.project(), resources=self.resources())

    def resources(self) -> dict[str, Any]:
        """What fulfils our assets' seams."""
        return build_resources(self.survey.project()) | {
            **dict.fromkeys(_MANAGERS, self.memory),
            "features": self.features,
            "backbone": self.backbone,
        }


def tiny_project(folder: Path) -> MemoryProject:
    """Twelve photos on six dates in a folder, and an empty memory."""
    survey = write_tiny_survey(folder)
    # In a folder that is there, since one of its own would be cleared away with a warning.
    return MemoryProject(survey, dg.DagsterInstance.ephemeral(tempdir=str(folder)))


def _silent(_: object) -> None:
    """Say nothing of a step."""
