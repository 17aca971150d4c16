"""Errors about features in other formats: exports of the cache, and imports into it."""

from collections.abc import Sequence
from pathlib import Path

from biomass_pipeline.errors.family import BiomassError

_SHOWN = 5


class MissingFormatError(BiomassError):
    """The library of a format is not installed."""

    exit_code = 2

    def __init__(self, form: str, *, package: str) -> None:
        super().__init__(
            f"Format `{form}` needs the package {package}, which is not installed here: "
            f"`pip install 'biomass-pipeline[formats]'`, or use npy, parquet or safetensors, which "
            f"need nothing more."
        )


class ExportError(BiomassError):
    """What is wrong with a folder of exported features."""


class MissingExportError(ExportError):
    """There are no exported features where they should be."""

    def __init__(self, folder: Path, *, part: str = "") -> None:
        lacking = f"no {part}" if part else "neither a record, such as fold_0.json, nor an array"
        super().__init__(
            f"{folder} is no export with what is wanted of it: there is {lacking}. Name a folder "
            f"that `biomass cache export` wrote, or one with features.npy, offsets.npy and "
            f"image_id.txt."
        )


class DamagedExportError(ExportError):
    """Exported features are not what their record promises."""

    def __init__(self, path: Path, problem: str) -> None:
        self.problem = problem
        super().__init__(
            f"{path} is not a usable export: {problem}. Nothing of it was taken over. Copy it "
            f"again from where it is whole, or write it again with `biomass cache export`."
        )


class UnsafeExportError(DamagedExportError):
    """An exported folder would lead to other files."""


class ForeignExportError(ExportError):
    """Exported features were made by another extraction than the configuration's."""

    def __init__(self, path: Path, *, found: str, expected: str) -> None:
        super().__init__(
            f"{path} holds features of extraction {found}, but the configuration asks for "
            f"{expected}. Restore the tiling, backbone and `cache.dtype` that it was made with, or "
            f"let `biomass run` embed the photos."
        )


class OtherPhotosError(ExportError):
    """Exported features are of other photos or tiles than their fold has."""

    def __init__(self, path: Path, *, where: str, differences: Sequence[str]) -> None:
        shown = "; ".join(differences[:_SHOWN])
        rest = len(differences) - _SHOWN
        more = f"; and {rest} more" if rest > 0 else ""
        super().__init__(
            f"{path} does not go with `patch_index` of {where}: {shown}{more}. Nothing of it was "
            f"taken over. Export the same photos, folds and tiles again, or leave it to `biomass "
            f"run`, which embeds what is missing."
        )


class UnstampedExportError(ExportError):
    """Features that say nothing of what made them are to be imported without anybody's word."""

    exit_code = 2

    def __init__(self, folder: Path, *, expected: str) -> None:
        super().__init__(
            f"{folder} has features that do not say what made them. With `--unstamped` they are "
            f"taken for those of the configured backbone, extraction {expected}, on your word: "
            f"what is embedded later must come from the same network."
        )


class UnwritableExportError(ExportError):
    """The disk or the folder does not take an export."""

    def __init__(self, folder: Path, *, why: str) -> None:
        super().__init__(
            f"{folder} cannot be written: {why}. Nothing was left behind there. Free space, or "
            f"name a folder that this user may write to with `-o`."
        )
