"""Errors about model bundles, and about photos that are predicted with one."""

from collections.abc import Sequence
from pathlib import Path

from biomass_pipeline.errors.family import BiomassError
from biomass_pipeline.plain import without_secrets

_SHOWN = 10


class MissingBundleError(BiomassError):
    """There is no model bundle, or a file of it is missing."""

    exit_code = 2

    def __init__(self, folder: Path, *, lacking: str) -> None:
        super().__init__(
            f"There is no whole model bundle at {folder}: {lacking} is missing. Name the folder "
            f"that `biomass export model -o FOLDER` wrote, or copy all of it again."
        )


class DamagedBundleError(BiomassError):
    """A file of a bundle is not what was exported."""

    def __init__(self, path: Path, *, reason: str) -> None:
        super().__init__(
            f"{path} cannot be used as a part of a model bundle: {reason}. Nothing was predicted. "
            f"Copy the bundle again, or write it anew with `biomass export model`."
        )


class BundleSchemaError(BiomassError):
    """A bundle was written in a layout, or by learning code, that this package does not know."""

    def __init__(
        self, folder: Path, *, what: str, found: object, expected: object, package: str
    ) -> None:
        super().__init__(
            f"{folder} has {what} {found!r}, written by biomass-pipeline {package}, but this "
            f"package reads {expected!r}. Install that release, or export the model again with "
            f"this one."
        )


class OtherBackboneError(BiomassError):
    """The backbone on this machine is not the one that the bundle's models learnt from."""

    def __init__(self, folder: Path, differences: Sequence[tuple[str, str, str]]) -> None:
        super().__init__(
            f"The models in {folder} learnt from another backbone than the one here:\n"
            f"{_listed(differences)}\nTheir predictions from other features would mean nothing. "
            f"Give the backbone's own weights with `--weights FILE`, or export a model of this one."
        )


class OtherVersionsError(BiomassError):
    """Libraries that decide pixels or features have other versions than where a bundle was made."""

    def __init__(self, folder: Path, differences: Sequence[tuple[str, str, str]]) -> None:
        super().__init__(
            f"The features that the models in {folder} learnt from were made with other versions "
            f"of libraries than those here:\n{_listed(differences)}\nInstall those, or go on with "
            f"`--other-versions`: features may then differ, usually in the last digits."
        )


class OccupiedFolderError(BiomassError):
    """What is to be carried away would be written where something else lies."""

    exit_code = 2

    def __init__(self, folder: Path, found: Sequence[str], *, wanted: str = "model bundle") -> None:
        super().__init__(
            f"{folder} holds {', '.join(found[:_SHOWN])}, which is no {wanted}, and would be "
            f"replaced. Choose a folder that is empty or new."
        )


class StaleModelsError(BiomassError):
    """The trained models are not those of the present configuration."""

    def __init__(self, reasons: Sequence[tuple[str, str]]) -> None:
        listed = "\n".join(f"  - {node}: {why}" for node, why in reasons[:_SHOWN])
        more = f"\n  - and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
        super().__init__(
            f"The models are not up to date, so they may not fit the configured backbone and "
            f"targets:\n{listed}{more}\nRun `biomass run` first, or name a bundle with `--bundle`."
        )


class NoPhotosError(BiomassError):
    """What should be predicted holds no photo."""

    exit_code = 2

    def __init__(self, location: str, *, why: str) -> None:
        super().__init__(
            f"There is no photo to predict at {without_secrets(location)}: {why}. Name "
            f"a photo, a folder with photos, a glob in quotes, or a URL such as s3://bucket/photos."
        )


class TableKindError(BiomassError):
    """Predictions are asked for in a file of an unknown kind."""

    exit_code = 2

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} ends in {path.suffix or 'nothing'}, but predictions are written as .csv or "
            f".parquet. Nothing was predicted; give `-o` a name with one of these endings."
        )


class UnknownPhotosError(BiomassError):
    """A table about photos says nothing of some that are to be predicted by what it says."""

    exit_code = 2

    def __init__(self, source: str, *, column: str, names: Sequence[str]) -> None:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        super().__init__(
            f"{source} has no {column} for {len(names)} photo(s): "
            f"{', '.join(names[:_SHOWN])}{more}. Give each a row with a value, or leave these "
            f"photos out."
        )


class PhotoTableError(BiomassError):
    """A table about photos cannot be used."""

    exit_code = 2

    def __init__(self, source: str, problem: str, columns: Sequence[str]) -> None:
        super().__init__(
            f"{source} cannot be used as the table of photos: {problem}. Its columns are "
            f"{', '.join(columns) or 'none'}; one of them has to name the photo."
        )


def _listed(differences: Sequence[tuple[str, str, str]]) -> str:
    return "\n".join(
        f"  - {what}: {found or 'none'} here, {expected or 'none'} in the bundle"
        for what, found, expected in differences[:_SHOWN]
    )
