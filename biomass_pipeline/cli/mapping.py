"""`map`: where in a photo or an orthomosaic the biomass is, for people and for map programs."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer

from biomass_pipeline.cli.predicting import Wish, bundle_of, shown_on
from biomass_pipeline.cli.spreadsheets import safe_cells
from biomass_pipeline.cli.terminal import open_console
from biomass_pipeline.errors import UnknownTargetError
from biomass_pipeline.imaging import Thumbnail
from biomass_pipeline.inference.bundle import Bundle
from biomass_pipeline.inference.bundle_record import ModelName
from biomass_pipeline.inference.embedding import Workplace, user_cache
from biomass_pipeline.inference.maps import MappedOutcome, ScaleTo, map_outcome
from biomass_pipeline.inference.new_photos import PhotoTable, predict_location
from biomass_pipeline.isolation import Isolation
from biomass_pipeline.manifest import ImageFolder
from biomass_pipeline.reporting.maps import PhotoMap
from biomass_pipeline.reporting.maps.geotiff import geotiff
from biomass_pipeline.reporting.maps.overlay import Drawing, overlay_png
from biomass_pipeline.reporting.maps.reading import PhotoReader
from biomass_pipeline.reporting.maps.tables import geojson, tile_table
from biomass_pipeline.reporting.maps.wording import sentences
from biomass_pipeline.whole import write_whole

_UNREADABLE = 3


@dataclass(frozen=True)
class MapWish:
    """What is asked of `map`.

    Attributes:
        predict: Which photos, by which models; its output is a folder.
        targets: Whose pictures are drawn; none: the one that weighs most in the score.
        model: Who makes the predictions beside the map; None: as configured.
        scale_to: What the maps add up to.
        cell_px: Side of the raster's cells; None: by the tiling.
    """

    predict: Wish
    targets: tuple[str, ...] = ()
    model: ModelName | None = None
    scale_to: ScaleTo = "network"
    cell_px: int | None = None


def map_images(wish: MapWish, *, as_json: bool) -> int:
    """Write the maps of photos.

    Returns:
        0, or 3 when photos could not be read.

    Raises:
        BiomassError: With what is wrong and what to do.
    """
    asked = wish.predict
    console = open_console(stderr=as_json)
    bundle = _bundle(wish)
    targets = _targets(wish, bundle)
    with ExitStack() as stack:
        place = Workplace(
            cache=asked.cache or user_cache(),
            device=asked.device,
            on_progress=shown_on(console, stack),
            isolation=Isolation() if asked.decode_processes else None,
        )
        table = None if asked.table is None else PhotoTable(asked.table)
        outcome = predict_location(asked.images, bundle, place=place, table=table)
    unreadable = [{"path": path, "reason": why} for path, why in outcome.embedded.unreadable]
    summary: dict[str, Any] = {"photos": [], "unreadable": unreadable, "notes": list(bundle.notes)}
    if outcome.embedded.features.image_ids:
        mapped = map_outcome(outcome, device=asked.device, scale_to=wish.scale_to)
        summary |= {"models": mapped.models, "map_of": mapped.scale_to}
        for found in _written(mapped, wish, targets):
            summary["photos"].append(found)
            if not as_json:
                _say(console.print, found)
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        _say_rest(console.print, summary)
    return _UNREADABLE if unreadable else 0


def _bundle(wish: MapWish) -> Bundle:
    bundle = bundle_of(wish.predict)
    if wish.model is None:
        return bundle
    return replace(bundle, ensemble=replace(bundle.ensemble, model=wish.model))


def _targets(wish: MapWish, bundle: Bundle) -> tuple[str, ...]:
    known = bundle.ensemble.targets.names
    for name in wish.targets:
        if name not in known:
            raise UnknownTargetError(name, known=known)
    return wish.targets or (bundle.config.data.heaviest_target,)


def _written(
    mapped: MappedOutcome, wish: MapWish, targets: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    """Write the files of each photo, and say what they hold."""
    embedded, config = mapped.outcome.embedded, mapped.outcome.bundle.config
    folder = ImageFolder(wish.predict.images, base=Path())
    reader = PhotoReader(folder.open, config)
    rows = {str(row["image_id"]): row for row in embedded.images.to_dict("records")}
    for number, name in enumerate(mapped.evidence.image_ids):
        row = {str(key): value for key, value in rows[name].items()}
        photo = reader.map_of(mapped.evidence, number, row=row, cell_px=wish.cell_px)
        files = _Files(photo, wish.predict.output / name)
        files.write_tables()
        picture, claims = reader.picture(str(row["path"])), mapped.claims(number)
        said = {target: sentences(photo, target, claims[target]) for target in targets}
        for target in targets:
            files.draw(target, picture, note=" ".join([f"{name}.", *said[target][1:]]))
        yield {
            "image_id": name,
            "tiles": len(photo.tiles.boxes),
            "kind": photo.tiles.kind,
            "targets": {
                target: {
                    "mapped": photo.tile_map(target).total,
                    "network": claims[target].network,
                    "predicted": claims[target].predicted,
                    "unit": photo.tiles.units[target],
                }
                for target in photo.targets
            },
            "files": files.names,
            "sentences": [sentence for target in targets for sentence in said[target]],
        }


class _Files:
    """The files of one photo's maps."""

    def __init__(self, photo: PhotoMap, stem: Path) -> None:
        self.names: list[str] = []
        self._photo, self._stem = photo, stem

    def write(self, ending: str, content: bytes) -> None:
        path = self._stem.with_name(f"{self._stem.name}{ending}")
        write_whole(path, lambda partial: partial.write_bytes(content))
        self.names.append(str(path))

    def draw(self, target: str, picture: Thumbnail, *, note: str) -> None:
        png = overlay_png(
            picture.pixels,
            self._photo.tile_map(target),
            ground=self._photo.ground,
            drawing=Drawing(note=note),
            valid=picture.valid,
        )
        self.write(f"_{_plain(target)}.png", png)

    def write_tables(self) -> None:
        table = safe_cells(tile_table(self._photo)).to_csv(index=False)
        self.write("_tiles.csv", table.encode(errors="backslashreplace"))
        self.write("_tiles.geojson", geojson(self._photo).encode())
        if self._photo.georeference is not None:
            self.write("_map.tif", geotiff(self._photo))


def _say(show: Callable[..., None], found: dict[str, Any]) -> None:
    show(f"{found['image_id']}, {found['tiles']} tiles", markup=False, style="bold")
    for sentence in found["sentences"]:
        show(f"  {sentence}", markup=False)
    for name in found["files"]:
        show(f"  {name}", markup=False)


def _say_rest(show: Callable[..., None], summary: dict[str, Any]) -> None:
    for note in summary["notes"]:
        show(note, style="yellow", markup=False)
    for row in summary["unreadable"]:
        show(f"Not mapped: {row['path']}: {row['reason']}", style="yellow", markup=False)


def _plain(name: str) -> str:
    """A target's name as a part of a file's."""
    return re.sub(r"[^\w.-]+", "_", name)
