"""`export submission`: photos without labels, predicted in the rows of a competition."""

import json
import shutil
from contextlib import closing
from pathlib import Path

import pandas as pd
import typer

from biomass_pipeline.cli.opening import open_project, opened
from biomass_pipeline.cli.progress import TerminalReporter, announcer, failure_announcer
from biomass_pipeline.cli.terminal import open_console
from biomass_pipeline.errors import MissingInputError
from biomass_pipeline.orchestration import exclusive
from biomass_pipeline.plain import counted
from biomass_pipeline.whole import write_whole


def write_submission(
    config: Path | None,
    overrides: tuple[str, ...],
    *,
    output: Path,
    order: str | None,
    as_json: bool,
) -> int:
    """Bring the submission and what it needs up to date, and copy it.

    Args:
        config: The configuration.
        overrides: Of it.
        output: A .csv file.
        order: The file to follow; a relative path is relative to the current folder.
        as_json: Print JSON.

    Returns:
        0.

    Raises:
        BiomassError: With what is wrong and what to do.
    """
    if output.suffix.lower() != ".csv":
        msg = f"a submission is a .csv file, not {output.name}"
        raise typer.BadParameter(msg)
    if order is not None:
        overrides = (*overrides, f"data.submission={_place(order)}")
    project = open_project(config, overrides)
    console = open_console(stderr=as_json)
    reporter = TerminalReporter(console)
    with (
        closing(reporter),
        opened(project, reporter) as graph,
        exclusive(project.layout, graph.instance),
    ):
        graph.observe()
        graph.run(
            graph.select("+submission"),
            on_step=announcer(console),
            on_failure=failure_announcer(console),
        )
    source = project.layout.submission
    write_whole(output, lambda partial: shutil.copyfile(source, partial))
    rows = len(pd.read_csv(output, usecols=["sample_id"]))
    photos = rows // len(project.config.data.targets)
    summary = {
        "output": str(output),
        "rows": rows,
        "photos": photos,
        "order": project.config.data.submission,
    }
    if as_json:
        typer.echo(json.dumps(summary))
        return 0
    followed = summary["order"] or "photos by id, targets as configured"
    console.print(
        f"{output}: {counted(rows, 'row')}, {counted(photos, 'photo')}; order: {followed}",
        markup=False,
    )
    return 0


def _place(order: str) -> str:
    """Where the file to follow is, as a setting; one that is missing is told before anything runs.

    Raises:
        MissingInputError: There is no such file.
    """
    if "://" in order:
        return order
    if not Path(order).is_file():
        raise MissingInputError("file for the submission to follow", order, option="--order")
    return json.dumps(str(Path(order).absolute()))
