"""`init`: look at photos and labels, and write a commented configuration."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import typer
import yaml

from biomass_pipeline.config import DataConfig, FoldsConfig, ImagingConfig, parse_config
from biomass_pipeline.errors import FileInTheWayError, MissingInputError, UnreadableImageError
from biomass_pipeline.manifest import (
    ImageFolder,
    ReadLimits,
    n_groups,
    open_photo,
    propose_data,
    propose_tiling,
    read_cells,
)

_LOOKED_AT = 5


def write_configuration(  # noqa: PLR0913  # one argument an option
    images: str,
    labels: str,
    *,
    name: str | None,
    wishes: Mapping[str, Sequence[str]],
    output: Path,
    force: bool,
    as_json: bool = False,
) -> None:
    """Write `biomass.yaml` for this data and say what was found.

    Args:
        images: Folder, glob or URL, relative to the current folder.
        labels: CSV or Parquet file, relative to the current folder.
        name: The project's name; the label file's folder otherwise.
        wishes: `targets` and `groups` that the user named.
        output: The configuration to write.
        force: Whether a file there may be overwritten.
        as_json: Say it to a program.
    """
    if output.exists() and not force:
        raise FileInTheWayError(output, option="--force")
    here = Path.cwd()
    cells = _label_cells(labels)
    data = propose_data(cells, targets=wishes["targets"], groups=wishes["groups"])
    height_px, width_px = _typical_size(ImageFolder(images, base=here))
    groups = n_groups(cells, data)
    sections: dict[str, Any] = {
        "name": name or _name_of(labels),
        "data": {
            "images": _from(output, images),
            "labels": _from(output, labels),
            **data,
            **_area(data),
        },
        "folds": {"n_folds": max(min(FoldsConfig().n_folds, groups), 2)},
        "tiling": propose_tiling(height_px, width_px),
        "backbone": {"name": "colour-texture-rcf"},
    }
    parse_config(sections, source=str(output))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(_commented(sections), encoding="utf-8")
    if as_json:
        told = {"configuration": str(output), "n_groups": groups, "size_px": [height_px, width_px]}
        typer.echo(json.dumps(told | sections))
        return
    names = ", ".join(f"{target['name']} ({target['unit']})" for target in data["targets"])
    typer.echo(
        f"Wrote {output}: {data['layout']} labels of {names}, {groups} groups by "
        f"{' and '.join(data['group_columns'])}, photos of {width_px} x {height_px} px in tiles "
        f"of {sections['tiling']['tile_px']} px."
    )
    typer.echo("Next: biomass run")


def _label_cells(labels: str) -> pd.DataFrame:
    try:
        return read_cells(labels, base=Path.cwd()).frame
    except MissingInputError:
        raise MissingInputError("label file", labels, option="--labels") from None


def _area(data: Mapping[str, Any]) -> dict[str, float]:
    """The area that was cut, where grams are shown per hectare."""
    grams = any(target["unit"] == "g" for target in data["targets"])
    return {"quadrat_area_m2": DataConfig().quadrat_area_m2} if grams else {}


def _typical_size(folder: ImageFolder) -> tuple[int, int]:
    """(height_px, width_px), the median of a few photos."""
    try:
        sizes = list(islice(_readable_sizes(folder), _LOOKED_AT))
    except MissingInputError:
        raise MissingInputError("photo folder", folder.location, option="--images") from None
    if not sizes:
        raise MissingInputError("readable photo", folder.location, option="--images")
    return sorted(sizes)[len(sizes) // 2]


def _readable_sizes(folder: ImageFolder) -> Iterator[tuple[int, int]]:
    limits = ReadLimits(
        max_pixels=DataConfig().max_pixels, stream_above_px=ImagingConfig().stream_above_px
    )
    for file in folder.files():
        with folder.open(file.path) as stream, suppress(UnreadableImageError):
            yield open_photo(stream, limits=limits).picture(only_validity=True).size_px


def _from(output: Path, location: str) -> str:
    """A location as seen from the configuration's folder; URLs and absolute paths stay."""
    if "://" in location or Path(location).is_absolute():
        return location
    return Path(os.path.relpath(Path.cwd() / location, output.resolve().parent)).as_posix()


def _name_of(labels: str) -> str:
    parent = Path(labels.rsplit("://", maxsplit=1)[-1]).resolve().parent.name
    cleaned = "".join(c if c.isalnum() or c in "._-" else "-" for c in parent).strip("._-")
    return cleaned or "biomass"


_COMMENTS = {
    "name": "Artefacts go to data/<name>/.",
    "data": "Photos and labels. Targets that are sums of others are listed under identities.\n"
    "# Grams become kg/ha by quadrat_area_m2, the area that was cut: correct it for your frame.",
    "folds": "Groups are held out together; a group stays in its fold when photos are added.",
    "tiling": "Windows in pixels; stride_px below tile_px makes them overlap.",
    "backbone": "Weights-free; for DINOv2 use dinov2_vitl14_reg with a local checkpoint.",
}


def _commented(sections: Mapping[str, Any]) -> str:
    parts = ["# Written by `biomass init`. `biomass doctor` checks it, `biomass run` uses it."]
    for key, value in sections.items():
        text = yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True)
        parts.append(f"# {_COMMENTS[key]}\n{text}")
    return "\n".join(parts)
