"""`predict`: photos of any folder by a bundle, or by the project's own models. Needs no Dagster."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import typer
from rich.console import Console

from biomass_pipeline.cli.bars import Bars, extraction_words
from biomass_pipeline.cli.spreadsheets import write_csv
from biomass_pipeline.cli.terminal import open_console
from biomass_pipeline.errors import TableKindError
from biomass_pipeline.features import Progress
from biomass_pipeline.inference.bundle import Bundle, load_bundle
from biomass_pipeline.inference.embedding import Workplace, user_cache
from biomass_pipeline.inference.new_photos import Outcome, PhotoTable, predict_location
from biomass_pipeline.inference.paddocks import paddock_summary
from biomass_pipeline.inference.photo_table import folders_of, groups_of
from biomass_pipeline.isolation import Isolation
from biomass_pipeline.plain import counted
from biomass_pipeline.whole import write_whole

FOLDER = "folder"
_UNREADABLE = 3
_SHOWN = 10
_PLAIN_EVERY_S = 10.0


@dataclass(frozen=True)
class Wish:
    """What is asked of `predict`.

    Attributes:
        images: Folder, photo, glob or URL.
        output: A .csv or .parquet file.
        bundle: A bundle's folder; None: the project's own models.
        config: The project's configuration, without a bundle.
        overrides: Of it.
        weights: The backbone's weights, with a bundle whose backbone has its own.
        other_versions: Go on where only versions of libraries differ.
        by: A column of the table, or `folder`: means of these instead of photos.
        table: What is known of the photos beside their pixels.
        site: A calibration.
        cache: Where features are kept.
        device: As configured.
        decode_processes: Decode photos in processes, also where it is not configured.
    """

    images: str
    output: Path
    bundle: Path | None = None
    config: Path | None = None
    overrides: tuple[str, ...] = ()
    weights: Path | None = None
    other_versions: bool = False
    by: str | None = None
    table: str | None = None
    site: Path | None = None
    cache: Path | None = None
    device: str = "auto"
    decode_processes: bool = False


def predict_images(wish: Wish, *, as_json: bool) -> int:
    """Predict photos into a table.

    Returns:
        0, or 3 when photos could not be read.

    Raises:
        BiomassError: With what is wrong and what to do.
    """
    if wish.output.suffix.lower() not in _WRITERS:
        raise TableKindError(wish.output)
    if wish.by not in {None, FOLDER} and wish.table is None:
        msg = f"--by {wish.by} is a column of a table: name it with --table, or use --by folder"
        raise typer.BadParameter(msg)
    started_s = time.monotonic()
    console = open_console(stderr=as_json)
    bundle = bundle_of(wish)
    columns = (wish.by,) if wish.by and wish.by != FOLDER else ()
    with ExitStack() as stack:
        place = Workplace(
            cache=wish.cache or user_cache(),
            device=wish.device,
            on_progress=shown_on(console, stack),
            isolation=Isolation() if wish.decode_processes else None,
        )
        outcome = predict_location(
            wish.images,
            bundle,
            place=place,
            table=None if wish.table is None else PhotoTable(wish.table, columns),
            site=wish.site,
        )
    table = _table(outcome, wish)
    write_whole(wish.output, lambda path: _WRITERS[wish.output.suffix.lower()](table, path))
    summary = _summary(outcome, wish, rows=len(table), seconds=time.monotonic() - started_s)
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        _print(console, summary)
    return _UNREADABLE if outcome.embedded.unreadable else 0


def bundle_of(wish: Wish) -> Bundle:
    """The bundle that is named, or the project's own models.

    Raises:
        BiomassError: As `load_bundle` and `current_models`.
    """
    if wish.bundle is not None:
        return load_bundle(wish.bundle, weights=wish.weights, other_versions=wish.other_versions)
    # Only the project's own models need its graph, to know whether they are up to date.
    from biomass_pipeline.cli.models import current_models  # noqa: PLC0415
    from biomass_pipeline.cli.opening import open_project  # noqa: PLC0415

    return current_models(open_project(wish.config, wish.overrides)).bundle


def _table(outcome: Outcome, wish: Wish) -> pd.DataFrame:
    """A row a photo and target, or a row a paddock and target."""
    if wish.by is None:
        return outcome.frame()
    ids = outcome.prediction.predictive.image_ids
    groups = (
        folders_of({name: outcome.embedded.paths[name] for name in ids})
        if wish.by == FOLDER
        else groups_of(outcome.beside, ids, by=wish.by, source=str(wish.table))
    )
    return paddock_summary(
        outcome.prediction,
        groups,
        quadrat_area_m2=outcome.bundle.config.data.quadrat_area_m2,
        in_grams=outcome.bundle.grams,
    )


def _write_parquet(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path, index=False)


_WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".csv": write_csv,
    ".parquet": _write_parquet,
}


def _summary(outcome: Outcome, wish: Wish, *, rows: int, seconds: float) -> dict[str, Any]:
    embedded, bundle = outcome.embedded, outcome.bundle
    return {
        "output": str(wish.output),
        "rows": rows,
        "photos": len(embedded.features.image_ids),
        "targets": list(outcome.prediction.targets.names),
        "photos_embedded": embedded.n_embedded,
        "photos_reused": embedded.n_reused,
        "unreadable": [{"path": path, "reason": why} for path, why in embedded.unreadable],
        "bundle": bundle.fingerprint,
        "site": None if wish.site is None else str(wish.site),
        "notes": list(bundle.notes),
        "seconds": round(seconds, 1),
    }


def _print(console: Console, summary: dict[str, Any]) -> None:
    console.print(
        f"{summary['output']}: {counted(summary['photos'], 'photo')} predicted, "
        f"{counted(summary['rows'], 'row')}; "
        f"{counted(summary['photos_embedded'], 'photo')} embedded, "
        f"{summary['photos_reused']} from the cache, {summary['seconds']} s.",
        markup=False,
    )
    for note in summary["notes"]:
        console.print(note, style="yellow", markup=False)
    unreadable = summary["unreadable"]
    if not unreadable:
        return
    console.print(f"Could not be read, so not predicted: {len(unreadable)}.", style="yellow")
    for row in unreadable[:_SHOWN]:
        console.print(f"  {row['path']}: {row['reason']}", markup=False)
    if (rest := len(unreadable) - _SHOWN) > 0:
        console.print(f"  and {rest} more: `--json` lists all.")


def shown_on(console: Console, stack: ExitStack) -> Callable[[Progress], None]:
    """Shows an extraction: a bar on a terminal, a line now and then elsewhere."""
    return _bar(console, stack) if console.is_terminal else _lines(console)


def _bar(console: Console, stack: ExitStack) -> Callable[[Progress], None]:
    bars, started_s = Bars(console, "embedding"), time.monotonic()
    started = list[bool]()

    def report(progress: Progress) -> None:
        if not started:
            started.append(True)
            # However this ends: a bar hides the cursor while it moves.
            stack.enter_context(bars)
        elapsed_s = time.monotonic() - started_s
        told = extraction_words(
            progress.n_photos, progress.n_tiles, progress.total_tiles, elapsed_s
        )
        bars.show(progress.n_photos, progress.total_photos, told)

    return report


def _lines(console: Console) -> Callable[[Progress], None]:
    last_s = [time.monotonic()]

    def report(progress: Progress) -> None:
        now_s = time.monotonic()
        if now_s - last_s[0] >= _PLAIN_EVERY_S:
            last_s[0] = now_s
            console.print(f"  {progress.n_photos} of {progress.total_photos} photos", markup=False)

    return report
