"""`doctor --bench`: what this machine can do, as a table, a figure and a JSON file."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer
from rich.console import Console

from biomass_pipeline.benchmark import (
    Benchmark,
    FolderLoad,
    ModelRates,
    Plan,
    as_json,
    folder_load,
    measure,
    named_backbone,
)
from biomass_pipeline.cli.terminal import open_console, show_table
from biomass_pipeline.errors import MissingInputError, UnreadableFolderError, UnusableRootError
from biomass_pipeline.features import usable_devices
from biomass_pipeline.manifest import ImageFolder
from biomass_pipeline.project import Project
from biomass_pipeline.reporting import speed_figure
from biomass_pipeline.whole import write_whole

_MB = 1e6
_TERA = 1e12


def bench(
    config: Path | None,
    overrides: tuple[str, ...],
    *,
    photos: str | None,
    models: tuple[str, ...],
    json_only: bool,
) -> int:
    """Measure this machine, print what was found, and write figure and JSON under the root.

    Args:
        config: The configuration; without one the built-in one.
        overrides: `section.key=value`.
        photos: A folder whose hours are wanted; else the configured one, if it is there.
        models: Backbones to time with random weights; else the configured one as it is.
        json_only: Print JSON, for a program.

    Returns:
        0.

    Raises:
        BiomassError: The configuration, the folder or a backbone is not usable.
    """
    project = Project.open(config, overrides=overrides)
    console = open_console(stderr=json_only)
    load = _load(project, photos)
    specs = tuple(map(named_backbone, models)) or (project.config.backbone,)
    console.print(_announcement([spec.name for spec in specs]), markup=False)
    plan = Plan(
        config=project.config,
        backbones=specs,
        devices=tuple(usable_devices(project.config.compute.device)),
        base=project.base,
        on_step=lambda step: console.print(f"  {step}", markup=False),
    )
    found = measure(plan, folder=load)
    plain = as_json(found)
    paths = _written(project, found, json.dumps(plain, indent=2))
    if json_only:
        typer.echo(json.dumps(plain | {"files": list(map(str, paths))}))
        return 0
    _show(console, found)
    for path in paths:
        console.print(str(path), markup=False)
    return 0


def _announcement(names: Sequence[str]) -> str:
    return (
        f"Measures decoding, matrix products, {', '.join(names)} and the cache on this machine; "
        "about a minute for a small network on a CPU, some for a large one."
    )


def _load(project: Project, photos: str | None) -> FolderLoad | None:
    """The folder asked for, which must be there, or the configured one, which need not."""
    base = project.base if photos is None else Path.cwd()
    location = photos or project.config.data.images
    try:
        load = folder_load(ImageFolder(location, base=base), project.config)
    except (MissingInputError, UnreadableFolderError):
        if photos is None:
            return None
        raise MissingInputError("readable photo folder", photos, option="--photos") from None
    if photos is not None and not load.n_photos:
        raise MissingInputError("photo", photos, option="--photos")
    return load if load.n_photos else None


def _written(project: Project, found: Benchmark, text: str) -> tuple[Path, Path]:
    figure, record = project.layout.benchmark_figure, project.layout.benchmark
    try:
        write_whole(record, lambda partial: partial.write_text(f"{text}\n", encoding="utf-8"))
        write_whole(figure, lambda partial: partial.write_bytes(speed_figure(found)))
    except OSError as error:
        raise UnusableRootError(project.layout.root, str(error)) from error
    return figure, record


def _show(console: Console, found: Benchmark) -> None:
    decode, cache = found.decode, found.cache
    extra = "unknown" if decode.extra_bytes is None else f"{decode.extra_bytes / _MB:.1f} MB"
    photo = f"{decode.height_px} x {decode.width_px} px to {decode.n_tiles} tiles"
    facts = [
        ["decode and cut a photo", f"{decode.seconds * 1000:.1f} ms", photo],
        ["memory on top for it", extra, "peak of a fresh process"],
        ["cache write", _megabytes(cache.write_bytes_per_s), f"{cache.n_bags} bags, fsync"],
        ["cache read in order", _megabytes(cache.read_bytes_per_s), "warm"],
        ["cache read random bags", _megabytes(cache.random_bytes_per_s), "warm"],
    ]
    show_table(console, "this machine", columns=["what", "measured", "of what"], rows=facts)
    for model in found.models:
        where = ", ".join(model.devices)
        show_table(
            console,
            f"{model.model} on {where}, batches of {model.batch_size}; weights: {model.weights}",
            columns=["what", "measured", "ratio"],
            rows=list(_model_rows(model, found.folder)),
        )


def _model_rows(model: ModelRates, folder: FolderLoad | None) -> Iterator[list[str]]:
    if model.tile_flops is not None:
        yield ["arithmetic a tile", f"{model.tile_flops / 1e9:.0f} GFLOP", ""]
    for rate in model.precisions:
        if rate.gemm_flops_per_s is not None and not rate.precision.endswith("autocast"):
            speed = f"{rate.gemm_flops_per_s / _TERA:.3g} TFLOP/s"
            yield [f"{rate.precision} matrix products", speed, ""]
        over = model.over_gemm(rate)
        share = "" if over is None else f"{over:.2f} of the products"
        yield [f"{rate.precision} backbone".strip(), _tiles(rate.tiles_per_s), share]
        if rate.cosine is not None and rate.precision != "fp32":
            yield [f"{rate.precision} cosine to fp32", f"{rate.cosine:.6f}", ""]
    name = f"pipeline, {model.precision}" if model.precision else "pipeline"
    share = f"{model.pipeline_over_bare:.2f} of the backbone"
    yield [name, _tiles(model.pipeline_tiles_per_s), share]
    if folder is not None:
        hours = folder.hours(model.pipeline_tiles_per_s)
        yield [f"{folder.location}", _duration(hours), _about(folder)]


def _about(folder: FolderLoad) -> str:
    sampled = ""
    if folder.n_opened < folder.n_photos:
        sampled = f", from the headers of {folder.n_opened}"
    bad = f", {folder.n_unreadable} unreadable" if folder.n_unreadable else ""
    return f"{folder.n_photos} photos, {folder.n_tiles} tiles{sampled}{bad}"


def _duration(hours: float) -> str:
    minutes = hours * 60
    return f"{hours:.1f} h" if hours >= 1 else f"{minutes:.1f} min"


def _megabytes(bytes_per_s: float) -> str:
    return f"{bytes_per_s / _MB:,.0f} MB/s"


def _tiles(tiles_per_s: float) -> str:
    return f"{tiles_per_s:.3g} tiles/s"
