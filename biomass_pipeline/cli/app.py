"""The verbs, the panel each is listed in, their options and their exit codes."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from biomass_pipeline import __version__
from biomass_pipeline.cli import look_verbs
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
from biomass_pipeline.cli.terminal import loading, open_console, show_error
from biomass_pipeline.cli.verbs import (
    BEGIN,
    CACHE,
    CARRY_AWAY,
    LOOK,
    NEW_PHOTOS,
    RUN,
    command_of,
    examples,
)
from biomass_pipeline.errors import BiomassError

app = typer.Typer(
    name="biomass",
    epilog=examples(
        ("biomass", "where am I, and what is next?"),
        ("biomass demo", "everything, on generated photos"),
        ("biomass run --help", "the options of a verb, with examples"),
        ("biomass explain bag", "a word that you met and do not know"),
    ),
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def biomass(
    ctx: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Field photos and weighed grams to honest, always-current biomass predictions.

    Without a verb: where you are, and what to do next.
    """
    if version:
        typer.echo(__version__)
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        from biomass_pipeline.cli.orienting import orient  # noqa: PLC0415  # keeps --help fast

        raise typer.Exit(orient(as_json=as_json))


@app.command(
    rich_help_panel=BEGIN,
    epilog=examples(
        ("biomass demo", "write photos to data/demo and run everything on them"),
        ("biomass demo --set training.n_seeds=5", "five networks a fold, as real runs have"),
        ("biomass demo --json", "the scores for a program"),
    ),
)
def demo(*, set_: SetOption = None, as_json: JsonOption = False) -> None:
    """Run the whole graph on generated photos and print the score table."""
    with loading():
        from biomass_pipeline.cli.running import run_demo  # noqa: PLC0415  # as above

    raise typer.Exit(run_demo(texts(set_), as_json=as_json))


@app.command(
    rich_help_panel=BEGIN,
    epilog=examples(
        (
            "biomass init --images photos/ --labels labels.csv",
            "look at the data and write biomass.yaml",
        ),
        (
            "biomass init --images photos/ --labels labels.csv --target mass_g --group field",
            "what is predicted, and what is held out together",
        ),
        (
            "biomass init --images 's3://farm/*.jpg' --labels s3://farm/labels.csv -o farm.yaml",
            "photos that are elsewhere, another file",
        ),
    ),
)
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
    as_json: JsonOption = False,
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
        as_json=as_json,
    )


@app.command(
    rich_help_panel=BEGIN,
    epilog=examples(
        (
            "biomass doctor",
            "what is wrong, and what to do",
        ),
        (
            "biomass doctor --bench --photos photos/",
            "how long these photos take on this machine",
        ),
        (
            "biomass doctor --bench --model dinov2_vits14_reg --model dinov2_vitl14_reg",
            "two networks compared, untrained",
        ),
    ),
)
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


@app.command(
    rich_help_panel=RUN,
    epilog=examples(
        (
            "biomass run",
            "whatever is stale or missing",
        ),
        (
            "biomass run --select feature_cache",
            "features and nothing else",
        ),
        (
            "biomass run --select mil_checkpoint+ --fold 0",
            "one fold's network and what follows from it",
        ),
        (
            "biomass run --set training.epochs=5",
            "one run with another setting",
        ),
    ),
)
def run(
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    select: SelectOption = None,
    fold: FoldOption = None,
    as_json: JsonOption = False,
) -> None:
    """Materialize what is stale or missing, and nothing else."""
    with loading():
        from biomass_pipeline.cli.running import run_stale  # noqa: PLC0415  # as above

    raise typer.Exit(run_stale(config, texts(set_), select=select, fold=fold, as_json=as_json))


@app.command(
    rich_help_panel=RUN,
    epilog=examples(
        (
            "biomass watch",
            "keep everything up to date, until Ctrl-C",
        ),
        (
            "biomass watch --once --json",
            "one round, told to a program: for cron",
        ),
    ),
)
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
    with loading():
        from biomass_pipeline.cli.keeping import keep_watch  # noqa: PLC0415  # as above

    raise typer.Exit(keep_watch(config, texts(set_), once=once, as_json=as_json))


@app.command(
    rich_help_panel=RUN,
    epilog=examples(
        (
            "biomass validate",
            "new places, later dates, and random folds beside the score",
        ),
        (
            "biomass validate --json",
            "the same for a program",
        ),
    ),
)
def validate(
    *, config: ConfigOption = None, set_: SetOption = None, as_json: JsonOption = False
) -> None:
    """Hold photos out in other ways too: new places, later dates, and the optimistic way."""
    with loading():
        from biomass_pipeline.cli.validating import run_validation  # noqa: PLC0415  # as above

    raise typer.Exit(run_validation(config, texts(set_), as_json=as_json))


@app.command(
    rich_help_panel=RUN,
    epilog=examples(
        (
            "biomass tune --trials 50",
            "search, and write tuning/best.yaml",
        ),
        (
            "biomass tune --timeout 3600",
            "as many trials as an hour allows",
        ),
    ),
)
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
    with loading():
        from biomass_pipeline.cli.validating import run_tuning  # noqa: PLC0415  # as above

    asked = {"tuning.n_trials": trials, "tuning.timeout_s": timeout}
    wishes = tuple(f"{key}={value}" for key, value in asked.items() if value is not None)
    raise typer.Exit(run_tuning(config, texts(set_) + wishes, as_json=as_json))


app.command(
    rich_help_panel=LOOK,
    epilog=examples(
        ("biomass status", "what is stale and why, without running it"),
        ("biomass status --watch", "follow an extraction of any process"),
        ("biomass status --json", "for a program"),
    ),
)(look_verbs.status)
app.command(
    rich_help_panel=LOOK,
    epilog=examples(
        ("biomass verify", "is every artefact as it was written? After a move, a crash, a doubt"),
        ("biomass verify --json", "for a program; exit code 1 if something is damaged"),
    ),
)(look_verbs.verify)
app.command(
    rich_help_panel=LOOK,
    epilog=examples(
        ("biomass report", "bring it up to date and say where it is"),
        ("biomass report --figures", "each figure as SVG and PDF beside it, for a paper"),
        ("biomass report --json", "where it is, for a program"),
    ),
)(look_verbs.report)
app.command(
    rich_help_panel=LOOK,
    epilog=examples(
        ("biomass ui", "the graph in a browser, on port 3000"),
        ("biomass ui --port 3001", "beside another one"),
    ),
)(look_verbs.ui)
app.command(
    rich_help_panel=LOOK,
    epilog=examples(
        ("biomass diff data/before data/after", "two root folders"),
        ("biomass diff data/before data/after --model ridge --json", "one model, for a program"),
    ),
)(look_verbs.diff)
app.command(
    rich_help_panel=LOOK,
    epilog=examples(
        ("biomass explain", "all words"),
        ("biomass explain bag", "one of them"),
        ("biomass explain conformal interval --json", "for a program"),
    ),
)(look_verbs.explain)
app.command(
    rich_help_panel=BEGIN,
    epilog=examples(
        ("biomass backbones", "names, widths, licences, and where the weights are"),
        ("biomass backbones --json", "for a program"),
    ),
)(look_verbs.backbones)
app.command(
    rich_help_panel=NEW_PHOTOS,
    epilog=examples(
        ("biomass predict new/ -o out.csv", "by the project's own models"),
        ("biomass predict new/ --bundle bundle/ -o out.csv", "by models that were carried here"),
        (
            "biomass predict new/ --by paddock --table photos.csv -o paddocks.csv",
            "means of paddocks",
        ),
        ("biomass predict 'new/*.jpg' --site site.json -o out.parquet", "fitted to a new site"),
    ),
)(predict)
app.command(
    rich_help_panel=NEW_PHOTOS,
    epilog=examples(
        ("biomass calibrate --images new/ --cuts cuts.csv -o site.json", "fit to a few cuts"),
        ("biomass calibrate --cuts cuts.csv --next 10 -o site.json", "and propose ten more"),
    ),
)(calibrate)
app.command(
    "map",
    rich_help_panel=NEW_PHOTOS,
    epilog=examples(
        ("biomass map photos/x.jpg -o maps/", "where in a photo the biomass is"),
        (
            "biomass map field.tif --bundle bundle/",
            "an orthomosaic, by a bundle",
        ),
        ("biomass map new/ --target Dry_Clover_g --scale-to prediction", "one target, in full"),
    ),
)(map_photos)
app.add_typer(export_app, name="export", rich_help_panel=CARRY_AWAY)
app.add_typer(cache_app, name="cache", rich_help_panel=CACHE)


def main() -> None:
    """Run a verb; a person's mistake is one message and an exit code, never a traceback."""
    try:
        command_of(app)(prog_name="biomass")
    except BiomassError as error:
        if "--json" in sys.argv:
            typer.echo(json.dumps({"error": str(error), "kind": type(error).__name__}))
        else:
            show_error(open_console(stderr=True), str(error))
        sys.exit(error.exit_code)
