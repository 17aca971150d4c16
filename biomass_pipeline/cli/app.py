"""The verbs, their options and their exit codes."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from biomass_pipeline import __version__
from biomass_pipeline.cli.cache_verbs import cache_app
from biomass_pipeline.cli.field_verbs import calibrate, export_app, map_photos, predict
from biomass_pipeline.cli.options import (
    ConfigOption,
    FoldOption,
    JsonOption,
    SelectOption,
    SetOption,
    texts,
)
from biomass_pipeline.cli.terminal import open_console, show_error
from biomass_pipeline.errors import BiomassError

app = typer.Typer(
    name="biomass",
    help="Field photos and weighed grams to honest, always-current biomass predictions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(cache_app, name="cache")
app.add_typer(export_app, name="export")


@app.callback(invoke_without_command=True)
def version(
    *, show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    """Field photos and weighed grams to honest, always-current biomass predictions."""
    if show:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def demo(*, set_: SetOption = None, as_json: JsonOption = False) -> None:
    """Run the whole graph on generated photos and print the score table."""
    from biomass_pipeline.cli.running import run_demo  # noqa: PLC0415  # keeps --help fast

    raise typer.Exit(run_demo(texts(set_), as_json=as_json))


@app.command()
def init(  # noqa: PLR0913  # one argument an option
    *,
    images: Annotated[str, typer.Option(help="Folder, glob or fsspec URL of the photos.")],
    labels: Annotated[str, typer.Option(help="CSV or Parquet file of labels.")],
    name: Annotated[str | None, typer.Option(help="Name of the project.")] = None,
    target: Annotated[list[str] | None, typer.Option(help="Target; repeatable.")] = None,
    group: Annotated[list[str] | None, typer.Option(help="Group column; repeatable.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write.")] = Path(
        "biomass.yaml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Look at photos and labels and write a commented configuration."""
    from biomass_pipeline.cli.beginning import write_configuration  # noqa: PLC0415  # as above

    write_configuration(
        images,
        labels,
        name=name,
        wishes={"targets": texts(target), "groups": texts(group)},
        output=output,
        force=force,
    )


@app.command()
def doctor(
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    bench: Annotated[
        bool, typer.Option("--bench", help="Measure this machine instead; about a minute.")
    ] = False,
    photos: Annotated[
        str | None, typer.Option(help="With --bench: the photos whose hours are wanted.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="With --bench: time this backbone, untrained. Repeatable."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check versions, device, disk, weights and data: what is wrong and what to do."""
    if bench:
        from biomass_pipeline.cli import benchmarking  # noqa: PLC0415  # as above

        raise typer.Exit(
            benchmarking.bench(
                config, texts(set_), photos=photos, models=texts(model), json_only=as_json
            )
        )
    if photos or model:
        msg = "--photos and --model belong to --bench"
        raise typer.BadParameter(msg)
    from biomass_pipeline.cli.diagnosis import diagnose  # noqa: PLC0415  # as above

    raise typer.Exit(diagnose(config, texts(set_), as_json=as_json))


@app.command()
def run(
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    select: SelectOption = None,
    fold: FoldOption = None,
    as_json: JsonOption = False,
) -> None:
    """Materialize what is stale or missing, and nothing else."""
    from biomass_pipeline.cli.running import run_stale  # noqa: PLC0415  # as above

    raise typer.Exit(run_stale(config, texts(set_), select=select, fold=fold, as_json=as_json))


@app.command()
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
        from biomass_pipeline.cli.watching import watch_extraction  # noqa: PLC0415  # as above

        raise typer.Exit(
            watch_extraction(config, texts(set_), interval_s=interval, as_json=as_json)
        )
    from biomass_pipeline.cli.showing import show_status  # noqa: PLC0415  # as above

    raise typer.Exit(show_status(config, texts(set_), as_json=as_json))


@app.command()
def watch(
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    once: Annotated[
        bool, typer.Option("--once", help="End after one round, as soon as the photos settled.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Keep everything up to date by itself: photos that arrive are run, until Ctrl-C."""
    from biomass_pipeline.cli.keeping import keep_watch  # noqa: PLC0415  # as above

    raise typer.Exit(keep_watch(config, texts(set_), once=once, as_json=as_json))


@app.command()
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
    from biomass_pipeline.cli.running import run_report  # noqa: PLC0415  # as above

    raise typer.Exit(run_report(config, texts(set_), figures=figures, as_json=as_json))


@app.command()
def validate(
    *, config: ConfigOption = None, set_: SetOption = None, as_json: JsonOption = False
) -> None:
    """Hold photos out in other ways too: new places, later dates, and the optimistic way."""
    from biomass_pipeline.cli.validating import run_validation  # noqa: PLC0415  # as above

    raise typer.Exit(run_validation(config, texts(set_), as_json=as_json))


@app.command()
def tune(
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials a study, those of earlier calls included.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=1.0, help="Seconds after which a study stops.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Search the training settings on inner groups, and write what is recommended."""
    from biomass_pipeline.cli.validating import run_tuning  # noqa: PLC0415  # as above

    asked = {"tuning.n_trials": trials, "tuning.timeout_s": timeout}
    wishes = tuple(f"{key}={value}" for key, value in asked.items() if value is not None)
    raise typer.Exit(run_tuning(config, texts(set_) + wishes, as_json=as_json))


@app.command()
def ui(
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000,
) -> None:
    """Open Dagster on 127.0.0.1, with its storage under the root folder."""
    from biomass_pipeline.cli.serving import serve  # noqa: PLC0415  # as above

    raise typer.Exit(serve(config, texts(set_), port=port))


app.command()(predict)
app.command()(calibrate)
app.command("map")(map_photos)


@app.command()
def backbones(*, as_json: JsonOption = False) -> None:
    """List the backbones: width, patch size, licence, and where their weights are."""
    from biomass_pipeline.cli.backbones import show_backbones  # noqa: PLC0415  # as above

    show_backbones(as_json=as_json)


def main() -> None:
    """Run a verb; a person's mistake is one message and an exit code, never a traceback."""
    try:
        app(prog_name="biomass")
    except BiomassError as error:
        if "--json" in sys.argv:
            typer.echo(json.dumps({"error": str(error), "kind": type(error).__name__}))
        else:
            show_error(open_console(stderr=True), str(error))
        sys.exit(error.exit_code)
