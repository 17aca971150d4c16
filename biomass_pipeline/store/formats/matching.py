"""Whether exported features are those of a fold's photos and tiles, and what differs by name."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from biomass_pipeline.errors import OtherPhotosError
from biomass_pipeline.store.contents import FoldContents
from biomass_pipeline.store.formats.parcel import Parcel
from biomass_pipeline.store.naming import part_name


def places_of(parcel: Parcel) -> dict[str, int]:
    """Where each photo's bag is, by its id."""
    return {name: place for place, name in enumerate(parcel.features.image_ids)}


def check_match(parcel: Parcel, contents: FoldContents, *, path: Path) -> None:
    """Make sure that a parcel holds just a fold's photos and tiles, in whatever order of photos.

    Args:
        parcel: Those that it lists as quarantined may lack.
        contents: What the fold has, by `patch_index`.
        path: Of the parcel, for the error.

    Raises:
        OtherPhotosError: Photos, their contents, tiles or weights differ.
    """
    differences = [*_strangers(parcel, contents), *_differences(parcel, contents)]
    if differences:
        raise OtherPhotosError(path, where=part_name(parcel.fold), differences=differences)


def _strangers(parcel: Parcel, contents: FoldContents) -> Iterator[str]:
    known = {*contents.image_ids}
    refused = [photo.image_id for photo in parcel.quarantined]
    for name in [*parcel.features.image_ids, *refused]:
        if name not in known:
            yield f"photo {name} is none of its photos"


def _differences(parcel: Parcel, contents: FoldContents) -> Iterator[str]:
    if parcel.rows_per_tile != contents.rows_per_tile:
        found, wanted = parcel.rows_per_tile, contents.rows_per_tile
        yield f"it has {found} rows a tile where there are {wanted}"
        return
    places = places_of(parcel)
    refused = {photo.image_id: photo.image_sha256 for photo in parcel.quarantined}
    for photo, name in enumerate(contents.image_ids):
        if name not in places and name not in refused:
            yield f"photo {name} is missing"
            continue
        known = refused.get(name)
        sha256 = parcel.features.image_sha256[places[name]] if known is None else known
        if sha256 != contents.image_sha256[photo]:
            yield f"photo {name} has another content (SHA-256)"
        elif known is None:
            yield from _other_tiles(parcel, places[name], contents, photo)


def _other_tiles(parcel: Parcel, place: int, contents: FoldContents, photo: int) -> Iterator[str]:
    """The first tile that differs, if any does."""
    name, rows = contents.image_ids[photo], contents.rows(photo)
    coords, wanted = parcel.bag(place).coords, contents.coords[rows]
    if len(coords) != len(wanted):
        yield f"photo {name} has {len(coords)} rows where its tiles have {len(wanted)}"
        return
    elsewhere = (coords != wanted).any(axis=1)
    if elsewhere.any():
        row = int(np.argmax(elsewhere))
        yield (
            f"photo {name}, tile {row // contents.rows_per_tile} lies at row_px, col_px "
            f"{tuple(coords[row].tolist())} instead of {tuple(wanted[row].tolist())}"
        )
    elif not np.array_equal(parcel.bag(place).area_weight, contents.area_weight[rows]):
        yield f"photo {name} has other weights of its tiles"
