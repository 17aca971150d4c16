"""Where a configured location leads: a local path, or what fsspec knows of a URL."""

from pathlib import Path
from typing import BinaryIO, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from biomass_pipeline.errors import UnreachableLocationError


def file_system(location: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a path or URL, and the path in it.

    Raises:
        UnreachableLocationError: No such kind of URL is known, or its package is not installed.
    """
    try:
        files, path = fsspec.core.url_to_fs(location)
    except (ImportError, ValueError) as error:
        raise UnreachableLocationError(location, str(error)) from error
    return files, str(path)


def open_location(location: str, *, base: Path) -> BinaryIO:
    """Open a file for reading.

    Args:
        location: A path or fsspec URL.
        base: What a relative path is relative to.

    Raises:
        FileNotFoundError: It is not there.
        UnreachableLocationError: As above, or it is a pipe or a device, which may have no end.
    """
    files, path = file_system(location if "://" in location else str(base / location))
    here = Path(path)
    if (
        isinstance(files, LocalFileSystem)
        and here.exists()
        and not (here.is_file() or here.is_dir())
    ):
        raise UnreachableLocationError(location, "it is a pipe or a device, not a file")
    return cast("BinaryIO", files.open(path, "rb"))
