"""The options that verbs share."""

from pathlib import Path
from typing import Annotated

import typer

from biomass_pipeline.cli.completing import complete_assignment, complete_selection

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration; else BIOMASS_CONFIG, ./biomass.yaml."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a field, for example training.epochs=5. Repeatable.",
        autocompletion=complete_assignment,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
SelectOption = Annotated[
    str | None,
    typer.Option(
        "--select",
        metavar="ASSETS",
        help="Assets, in Dagster's syntax: feature_cache+",
        autocompletion=complete_selection,
    ),
]
FoldOption = Annotated[int | None, typer.Option("--fold", help="Only this fold.")]
BundleOption = Annotated[
    Path | None, typer.Option(help="Folder of `export model`; else the project's own models.")
]
CacheOption = Annotated[
    Path | None, typer.Option(help="Where features are kept; else the user's cache folder.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda:1, mps.")]
DecodeOption = Annotated[
    bool,
    typer.Option("--decode-processes", help="A crash of a decoder costs its photo alone."),
]
WeightsOption = Annotated[
    Path | None, typer.Option(help="Of the backbone, where they came from a file.")
]
VersionsOption = Annotated[
    bool, typer.Option("--other-versions", help="Though libraries have other versions here.")
]


def texts(values: list[str] | None) -> tuple[str, ...]:
    """What a repeatable option was given."""
    return tuple(values or ())
