"""`export kaggle`: folders for Kaggle's command line, and what the kernels are expected to take."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console

from biomass_pipeline.cli.terminal import open_console
from biomass_pipeline.config import CONFIG_VARIABLE, DEFAULT_FILE, Config, load_config
from biomass_pipeline.kaggle.estimate import PHOTO_PX, Estimate, Work, estimate, expected_rate
from biomass_pipeline.kaggle.folders import (
    READ_ME,
    Account,
    CachesFrom,
    Export,
    project_caches,
    write_folders,
)
from biomass_pipeline.layout import Layout
from biomass_pipeline.tiling import tile_grid


@dataclass(frozen=True)
class KaggleWish:
    """What is asked of `export kaggle`.

    Attributes:
        user: Of Kaggle.
        slug: What names start with.
        output: Folder to write.
        config: The configuration; else BIOMASS_CONFIG, ./biomass.yaml, or the defaults.
        overrides: Of it.
        competition: Its slug.
        weights_dataset: OWNER/SLUG.
        caches_from: What the second kernel reads.
        notebooks: Instead of scripts.
        n_photos: Labelled photos, for the estimate.
        n_test_photos: Hidden photos, for the estimate.
        limit_hours: The competition's.
        force: Write over an export.
    """

    user: str
    slug: str
    output: Path
    config: Path | None
    overrides: tuple[str, ...]
    competition: str
    weights_dataset: str | None
    caches_from: CachesFrom
    notebooks: bool
    n_photos: int
    n_test_photos: int
    limit_hours: float
    force: bool


def export_folders(wish: KaggleWish, *, as_json: bool) -> int:
    """Say what the kernels will take, and write their folders.

    Returns:
        0.

    Raises:
        BiomassError: With what is wrong and what to do.
    """
    file = _file(wish.config)
    config = load_config(file, overrides=wish.overrides, environment=os.environ)
    base = Path.cwd() if file is None else file.resolve().parent
    layout = Layout(base / (config.root or f"data/{config.name}"))
    own = wish.caches_from == "project"
    export = Export(
        Account(wish.user, wish.slug),
        config,
        base=base,
        competition=wish.competition,
        weights_dataset=wish.weights_dataset,
        caches_from=wish.caches_from,
        caches=project_caches(config, layout=layout, base=base) if own else (),
        notebooks=wish.notebooks,
        limit_hours=wish.limit_hours,
    )
    kernels = {
        "extract": _expected(config, embedded=wish.n_photos, trained=0),
        "submit": _expected(config, embedded=wish.n_test_photos, trained=wish.n_photos),
    }
    folders = write_folders(export, wish.output, force=wish.force)
    if as_json:
        typer.echo(json.dumps(_summary(export, kernels, folders)))
        return 0
    console = open_console()
    _print(console, export, kernels, settings=file)
    console.print(f"{wish.output}: {', '.join(f.name for f in folders)}", markup=False)
    console.print(f"Next: {wish.output / READ_ME} has the commands, in order.", markup=False)
    return 0


def _file(given: Path | None) -> Path | None:
    """The configuration; never the demo's, whose photos are not the competition's."""
    named = given or os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    here = Path(DEFAULT_FILE)
    return here if here.exists() else None


def _expected(config: Config, *, embedded: int, trained: int) -> Estimate:
    tiles = len(tile_grid(*PHOTO_PX, config.tiling))
    rate = expected_rate(config)
    work = Work(
        n_photos=embedded,
        n_tiles=embedded * tiles,
        n_rows=(embedded + trained) * tiles if trained else 0,
        n_learnt_rows=trained * tiles,
    )
    return estimate(work, config, rate=rate)


def _summary(
    export: Export, kernels: dict[str, Estimate], folders: list[Path]
) -> dict[str, object]:
    return {
        "folders": [str(folder) for folder in folders],
        "kernels": [export.extract_metadata().id, export.submit_metadata().id],
        "internet": export.downloads,
        "expected": {
            name: {
                "hours": found.hours,
                "peak_bytes": found.peak_bytes,
                "tiles": found.work.n_tiles,
                "tiles_per_s": found.rate.tiles_per_s,
                "rate_source": found.rate.source,
                "warnings": [
                    line
                    for line in found.lines(limit_hours=export.limit_hours)
                    if line.startswith("WARNING")
                ],
            }
            for name, found in kernels.items()
        },
    }


def _print(
    console: Console, export: Export, kernels: dict[str, Estimate], *, settings: Path | None
) -> None:
    console.print(f"Settings: {settings or 'the defaults'}", markup=False)
    for name, found in kernels.items():
        console.print(f"{name}:", markup=False)
        for line in found.lines(limit_hours=export.limit_hours):
            style = "yellow" if line.startswith("WARNING") else None
            console.print(f"  {line}", style=style, markup=False)
    if export.downloads:
        console.print(
            "The first kernel fetches the backbone's weights: it has internet, the second has not.",
            markup=False,
        )
