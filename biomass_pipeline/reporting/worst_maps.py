"""Small tile maps of the photos predicted worst, all in one scale of colours.

`maps.overlay` draws a map for itself, with numbers and a bar; here are many beside one another, in
a page that has the bar once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.config import Config
from biomass_pipeline.errors import ChangedImageError, UnreadableImageError
from biomass_pipeline.reporting.maps.paint import paint, seen_colours
from biomass_pipeline.reporting.maps.tile_map import picture_edges
from biomass_pipeline.reporting.thumbnails import THUMBNAIL_PX, thumbnail_uri
from biomass_pipeline.store import FeatureSet

if TYPE_CHECKING:
    # They load torch, and a graph is loaded without.
    from biomass_pipeline import mil
    from biomass_pipeline.inference.evidence import Evidence
    from biomass_pipeline.reporting.maps.reading import PhotoReader

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]

_MOST_CHARACTERS: Final = 60_000
_N_STOPS: Final = 9


@dataclass(frozen=True)
class WorstMaps:
    """Maps of one target, in one scale.

    Attributes:
        uris: Pictures as data URIs, by image id.
        target: What is mapped.
        unit: Of the scale.
        top: What the strongest colour stands for, in that unit.
        additive: Whether a tile's part is what the network finds on it; else predictions are
            divided up by attention.
        stops: The colours from nothing to the most, as hexadecimal numbers.
    """

    uris: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    unit: str = ""
    top: float = 0.0
    additive: bool = True
    stops: tuple[str, ...] = ()


@dataclass(frozen=True)
class HeldOut:
    """A fold's photos, and the networks that never saw them: loaded when they are asked.

    Attributes:
        network: Loads the networks.
        features: Loads the photos' features.
    """

    network: Callable[[], mil.TrainedFold]
    features: Callable[[], FeatureSet]


@dataclass(frozen=True)
class _Map:
    """One photo's densities on even cells, and what it is painted over."""

    image_id: str
    density: Floats
    photo: Pixels


def draw_worst_maps(  # noqa: PLR0913  # what is mapped, by whom, of what, and how it is read
    worst: Sequence[str],
    oof: pd.DataFrame,
    manifest: pd.DataFrame,
    *,
    model: str,
    folds: Mapping[int, HeldOut],
    reader: PhotoReader,
    beside: mil.Beside,
) -> WorstMaps:
    """Draw where the networks find the heaviest target, scaled to what was predicted.

    Each photo is asked of the networks of its own fold, which never saw it.

    Args:
        worst: The photos, by image id.
        oof: The out-of-fold predictions, tidy.
        manifest: One row a photo.
        model: Whose predictions the maps add up to.
        folds: By fold; a photo whose fold is missing gets no map.
        reader: Opens photos.
        beside: Covariates, for networks that were trained with them.

    Returns:
        Photos that cannot be opened any more are left out.
    """
    config = reader.config
    rows = oof[(oof["model"] == model) & oof["image_id"].isin(set(worst))]
    evidences = [
        evidence
        for fold in sorted(folds)
        if len(photos := rows[rows["fold"] == fold])
        for evidence in _evidence(photos, folds[fold], config=config, beside=beside)
    ]
    found = {each.image_id: each for each in _densities(evidences, manifest, reader)}
    if not found:
        return WorstMaps()
    unit = next(t.unit for t in config.data.targets if t.name == config.data.heaviest_target)
    top = max(float(np.nanmax(each.density, initial=0.0)) for each in found.values())
    return WorstMaps(
        uris={
            image_id: thumbnail_uri(
                painted(each.photo, each.density / (top or 1.0)), most_characters=_MOST_CHARACTERS
            )
            for image_id, each in sorted(found.items())
        },
        target=config.data.heaviest_target,
        unit="kg DM/ha" if unit == "g" else unit,
        top=top,
        additive=all(evidence.additive for evidence in evidences),
        stops=scale_stops(),
    )


def painted(photo: Pixels, strength: Floats) -> Pixels:
    """Lay colours over a photo in grey, on equal cells.

    Args:
        photo: Shape (row, col, 3).
        strength: Shape (cell row, cell col), 0 to 1; NaN where nothing is valid.
    """
    rows, cols = (
        np.minimum((np.arange(n) + 0.5) * cells / n, cells - 1).astype(np.int64)
        for n, cells in zip(photo.shape[:2], strength.shape, strict=True)
    )
    return paint(photo, np.nan_to_num(strength)[np.ix_(rows, cols)])


def scale_stops() -> tuple[str, ...]:
    """The colours as they look over middling grey, from nothing to the most."""
    from matplotlib.colors import to_hex  # noqa: PLC0415  # only who draws pays for it

    return tuple(to_hex(colour) for colour in seen_colours(_N_STOPS))


def _evidence(
    photos: pd.DataFrame, held_out: HeldOut, *, config: Config, beside: mil.Beside
) -> Iterator[Evidence]:
    """What each tile gives, scaled to what was predicted, a photo each."""
    from biomass_pipeline.inference.evidence import evidence_of  # noqa: PLC0415  # loads torch

    network, features = held_out.network(), held_out.features()
    predicted = photos.pivot_table(index="image_id", columns="target", values="y_pred")
    place = {image_id: i for i, image_id in enumerate(features.image_ids)}
    for image_id in predicted.index:
        if image_id not in place:
            continue
        one = features.part(place[image_id], place[image_id] + 1)
        found = evidence_of(
            [network], one, tiling=config.tiling, backbone=config.backbone, beside=beside
        )
        components = predicted.loc[[image_id], list(found.targets.components)]
        yield found.scaled_to(np.maximum(components.to_numpy(dtype=float), 0.0))


def _densities(
    evidences: Sequence[Evidence], manifest: pd.DataFrame, reader: PhotoReader
) -> Iterator[_Map]:
    target = reader.config.data.heaviest_target
    by_id = manifest.set_index("image_id")
    for evidence in evidences:
        (image_id,) = evidence.image_ids
        row = {str(name): value for name, value in by_id.loc[image_id].items()}
        try:
            photo = reader.map_of(evidence, 0, row=row)
            picture = reader.picture(str(row["path"]), max_side_px=THUMBNAIL_PX)
        except (UnreadableImageError, ChangedImageError, OSError):
            continue
        tile_map = photo.tile_map(target)
        grid = tile_map.grid(*picture_edges(tile_map.boxes, photo.size_px))
        scale = photo.ground.kg_dm_ha if tile_map.unit == "g" else 1.0
        yield _Map(image_id, grid.density * scale, picture.pixels)
