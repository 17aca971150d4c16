"""The verbs that look and change nothing but what is shown."""

from pathlib import Path
from typing import Annotated

import typer

from biomass_pipeline.cli.completing import complete_word
from biomass_pipeline.cli.options import ConfigOption, JsonOption, SetOption, texts
from biomass_pipeline.cli.terminal import loading


def status(
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Follow what is being extracted, until it ends.")
    ] = False,
    interval: Annotated[
        float, typer.Option(min=0.1, help="With --watch: seconds from look to look.")
    ] = 5.0,
    as_json: JsonOption = False,
) -> None:
    """Say what is stale and why, without running it."""
    if watch:
        with loading():
            from biomass_pipeline.cli.watching import watch_extraction  # noqa: PLC0415  # keeps --help fast

        raise typer.Exit(
            watch_extraction(config, texts(set_), interval_s=interval, as_json=as_json)
        )
    with loading():
        from biomass_pipeline.cli.showing import show_status  # noqa: PLC0415  # as above

    raise typer.Exit(show_status(config, texts(set_), as_json=as_json))


def verify(
    *, config: ConfigOption = None, set_: SetOption = None, as_json: JsonOption = False
) -> None:
    """Read every artefact, and say what is damaged, gone, or does not fit; nothing is written."""
    with loading():
        from biomass_pipeline.cli.verifying import verify_project  # noqa: PLC0415  # as above

    raise typer.Exit(verify_project(config, texts(set_), as_json=as_json))


def report(
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    figures: Annotated[
        bool, typer.Option("--figures", help="Also write each figure as SVG and PDF, for a paper.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the report up to date and say where it is."""
    with loading():
        from biomass_pipeline.cli.running import run_report  # noqa: PLC0415  # as above

    raise typer.Exit(run_report(config, texts(set_), figures=figures, as_json=as_json))


def ui(
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000,
    as_json: JsonOption = False,
) -> None:
    """Open Dagster on 127.0.0.1, with its storage under the root folder."""
    with loading():
        from biomass_pipeline.cli.serving import serve  # noqa: PLC0415  # as above

    raise typer.Exit(serve(config, texts(set_), port=port, as_json=as_json))


def backbones(*, as_json: JsonOption = False) -> None:
    """List the backbones: width, patch size, licence, and where their weights are."""
    from biomass_pipeline.cli.backbones import show_backbones  # noqa: PLC0415  # as above

    show_backbones(as_json=as_json)


def explain(
    word: Annotated[
        list[str] | None,
        typer.Argument(help="Of the glossary; without one, all.", autocompletion=complete_word),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Say what a word means here, where to see it, and what it is not."""
    from biomass_pipeline.cli.explaining import explain_word  # noqa: PLC0415  # as above

    explain_word(" ".join(word or ()), as_json=as_json)


def diff(
    before: Annotated[Path, typer.Argument(help="Root folder of a run, or its configuration.")],
    after: Annotated[Path, typer.Argument(help="Of the other.")],
    *,
    model: Annotated[
        str | None, typer.Option(help="Compare this model; else each run's headline.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs: configuration, data, and scores with a paired interval."""
    with loading():
        from biomass_pipeline.cli.comparing import show_difference  # noqa: PLC0415  # as above

    raise typer.Exit(show_difference(before, after, model=model, as_json=as_json))
