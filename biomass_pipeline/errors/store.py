"""Errors about the feature cache."""

from collections.abc import Sequence
from pathlib import Path

from biomass_pipeline.errors.family import BiomassError


class StaleCacheError(BiomassError):
    """A feature cache was written by a different extraction than the one requested."""

    def __init__(self, path: Path, *, found: str, expected: str) -> None:
        super().__init__(
            f"{path} holds features of extraction {found}, but {expected} was asked for. "
            f"Rematerialize `feature_cache` for this fold, or restore the earlier configuration."
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
            f"{path} is not a usable feature cache: {problem}. Delete the file and run "
            f"`biomass run`: photos that other fold files hold are copied, the rest are embedded."
        )


class FeatureRangeError(BiomassError):
    """A backbone gave a value that cannot be stored."""

    def __init__(self, image_id: str, *, backbone: str, dtype: str, largest: float) -> None:
        super().__init__(
            f"Backbone {backbone} gave photo {image_id} a feature that {dtype} cannot hold "
            f"(largest size {largest:g}). Set `cache.dtype: float32` if it is finite, else check "
            f"the weights."
        )


class ForeignPhotosError(BiomassError):
    """Generated photos would replace files that nobody generated."""

    def __init__(self, folder: Path, found: Sequence[str]) -> None:
        super().__init__(
            f"{folder} holds {', '.join(found)}, which were not generated here, and generated "
            f"photos would replace them. Choose an empty folder, or move these files away first."
        )
