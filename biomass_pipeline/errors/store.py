"""Errors about the feature cache."""

from collections.abc import Sequence
from pathlib import Path

from biomass_pipeline.errors.family import BiomassError

_SHOWN = 10


class StaleCacheError(BiomassError):
    """A feature cache was written by a different extraction than the one requested."""

    def __init__(self, path: Path, *, found: str, expected: str) -> None:
        self.found = found
        super().__init__(
            f"{path} holds features of extraction {found}, but {expected} was asked for. "
            f"Rematerialize `feature_cache` for this fold, or restore the earlier configuration."
        )


class StaleTilesError(BiomassError):
    """A table of tiles does not go with the configuration."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"`patch_index` was made {why}. Run `biomass run`, which makes it again, or restore "
            f"the configuration that it was made with."
        )


class MissingCacheError(BiomassError):
    """A fold's feature cache is not on disk."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"There is no feature cache at {path}. Materialize `feature_cache` for this fold, or "
            f"run `biomass run`."
        )


class DamagedCacheError(BiomassError):
    """A file in the place of a feature cache cannot be used."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"{path} is not a usable feature cache: {problem}. Run `biomass cache verify "
            f"--repair`: what is undamaged here or in other fold files is copied, only the rest is "
            f"embedded."
        )


class UnsafeCacheError(DamagedCacheError):
    """A file in the place of a feature cache would lead to other files, or to code."""


class UnreadableCacheError(BiomassError):
    """A file in the place of a feature cache cannot be looked into; it may be undamaged."""

    def __init__(self, path: Path, *, why: str) -> None:
        super().__init__(
            f"{path} should be a feature cache, but cannot be read: {why}. Make it readable for "
            f"this user, or move away what is in its place, then run `biomass run` again."
        )


class OtherContentsError(BiomassError):
    """An undamaged feature cache holds other photos or tiles than its fold now has."""

    def __init__(self, path: Path, *, what: str) -> None:
        super().__init__(
            f"{path} is undamaged, but its {what} are not those of `patch_index`. Run `biomass "
            f"run`: what they share is copied, only the rest is embedded."
        )


class FeatureRangeError(BiomassError):
    """A backbone gave a value that cannot be stored."""

    def __init__(
        self, image_id: str, *, tile: str, backbone: str, dtype: str, largest: float
    ) -> None:
        super().__init__(
            f"Backbone {backbone} gave photo {image_id}, {tile}, a feature that {dtype} cannot "
            f"hold (largest size {largest:g}). Set `cache.dtype: float32` if it is finite, else "
            f"check the weights."
        )


class FeatureShapeError(BiomassError):
    """A backbone gave other rows than the cache was laid out for."""

    def __init__(self, image_id: str, *, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
        super().__init__(
            f"The backbone gave photo {image_id} rows of shape {found}, but the cache has room for "
            f"{expected}. Check that `backbone.tokens`, `layers` and `views` fit the backbone; a "
            f"file of another width in the same folder is to be moved away."
        )


class UnfinishedCacheError(BiomassError):
    """An extraction ended without an error and without all of its tiles."""

    def __init__(self, path: Path, *, image_id: str, n_photos: int) -> None:
        super().__init__(
            f"{path} lacks tiles of {n_photos} photo(s), {image_id} first, although the extraction "
            f"ended. That is a mistake of the engine; nothing was published, what is done is kept, "
            f"and `biomass run` asks for the missing tiles again."
        )


class TooManyRefusedError(BiomassError):
    """More photos of a fold cannot be embedded than the configuration tolerates."""

    def __init__(
        self, path: Path, *, refused: Sequence[tuple[str, str]], total: int, limit: int
    ) -> None:
        listed = "\n".join(f"  - {photo}: {reason}" for photo, reason in refused[:_SHOWN])
        more = f"\n  ... and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
        super().__init__(
            f"{len(refused)} of {total} photos could not be embedded, more than the {limit} that "
            f"`data.max_quarantined_fraction` allows for {path}:\n{listed}{more}\n"
            f"The cache is as it was, and what was embedded is kept. Mend these photos, or raise "
            f"the limit, and run `biomass run` again."
        )


class UnwritableCacheError(BiomassError):
    """The disk or the folder does not take a feature cache."""

    def __init__(self, path: Path, *, why: str, remedy: str) -> None:
        super().__init__(
            f"{path} cannot be written: {why}. What was cached before is as it was. {remedy}, then "
            f"run `biomass run` again: it goes on from the tiles that reached the disk."
        )


class UnlockableFolderError(BiomassError):
    """No lock can be had in a folder, so nothing would keep two writers apart."""

    def __init__(self, path: Path, *, why: str) -> None:
        super().__init__(
            f"{path} cannot be locked: {why}. A lock of its file system keeps two writers apart, "
            f"and goes with a process that dies. Set `root` to a folder whose file system has "
            f"`flock`, such as a local disk, or mount this one with locks."
        )


class BusyCacheError(BiomassError):
    """Another process writes the same fold."""

    def __init__(self, path: Path, *, owner: str) -> None:
        super().__init__(
            f"{path} is being written by {owner}. Two runs would embed the same photos twice: wait "
            f"until it ends (`biomass status --watch` shows how far it is), or stop it."
        )


class ForeignPhotosError(BiomassError):
    """Generated photos would replace files that nobody generated."""

    def __init__(self, folder: Path, found: Sequence[str]) -> None:
        super().__init__(
            f"{folder} holds {', '.join(found)}, which were not generated here, and generated "
            f"photos would replace them. Choose an empty folder, or move these files away first."
        )
