"""The files of a bundle: written whole, read whole, and nothing outside of the folder is touched.

No name in a bundle's JSON is ever a path: which files there are follows from the number of folds.
"""

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from biomass_pipeline.errors import (
    DamagedBundleError,
    FileInTheWayError,
    MissingBundleError,
    OccupiedFolderError,
)
from biomass_pipeline.whole import synchronize, whole_folder

Arrays = Mapping[str, NDArray[Any]]

RECORD_NAME = "bundle.json"
CARD_NAME = "MODEL_CARD.md"
# Ids of a million training photos fit; what is larger was not written here.
MOST_RECORD_BYTES = 256 * 2**20
# An array that lies column by column is stored turned: matrix products round by how it lies.
_TURNED = "~turned"


def fold_name(number: int) -> str:
    """The file of one fold's arrays."""
    return f"fold_{number}.safetensors"


def packed(arrays: Arrays) -> bytes:
    """Arrays as a safetensors file."""
    laid: dict[str, NDArray[Any]] = {}
    for name, values in arrays.items():
        turned = values.ndim > 1 and values.flags.f_contiguous and not values.flags.c_contiguous
        key = f"{name}{_TURNED}" if turned else name
        laid[key] = np.require(values.T if turned else values, requirements="C")
    return save(laid)


def unpacked(data: bytes, path: Path) -> dict[str, NDArray[Any]]:
    """Undo `packed`; each array has memory of its own.

    Raises:
        DamagedBundleError: It is no such file.
    """
    try:
        laid = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
        reason = f"it is no safetensors file ({type(error).__name__})"
        raise DamagedBundleError(path, reason=reason) from error
    return {
        name.removesuffix(_TURNED): values.copy().T if name.endswith(_TURNED) else values.copy()
        for name, values in laid.items()
    }


def read_record(folder: Path) -> dict[str, Any]:
    """The JSON of a bundle, not yet checked for what it says.

    Raises:
        MissingBundleError: It is not there.
        DamagedBundleError: It is a link, too large, or no JSON object.
    """
    path = folder / RECORD_NAME
    data = _read(path, most_bytes=MOST_RECORD_BYTES)
    try:
        content = json.loads(data, parse_constant=_refuse, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        reason = f"it is no JSON ({type(error).__name__}: {str(error)[:80]})"
        raise DamagedBundleError(path, reason=reason) from error
    if not isinstance(content, dict):
        raise DamagedBundleError(path, reason="it is no JSON object")
    return content


def read_fold(folder: Path, number: int, *, sha256: str, n_bytes: int) -> dict[str, NDArray[Any]]:
    """The arrays of one fold.

    Args:
        folder: The bundle's.
        number: The fold's place.
        sha256: What the record says of the file.
        n_bytes: Likewise.

    Raises:
        MissingBundleError: The file is not there.
        DamagedBundleError: It is a link, or not the file that was exported.
    """
    path = folder / fold_name(number)
    data = _read(path, most_bytes=n_bytes)
    if len(data) != n_bytes:
        reason = f"it has {len(data)} bytes instead of {n_bytes}"
        raise DamagedBundleError(path, reason=reason)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise DamagedBundleError(path, reason="its content is not what was exported (SHA-256)")
    return unpacked(data, path)


def write_folder(folder: Path, files: Mapping[str, bytes], *, force: bool) -> None:
    """Write a bundle's files, all or none.

    Args:
        folder: Where; its parents are made.
        files: By name.
        force: Whether a bundle that is there is replaced; anything else never is.

    Raises:
        FileInTheWayError: A bundle is there, or a file is in the folder's place.
        OccupiedFolderError: Something else is in the folder.
    """
    _refuse_strangers(folder, force=force)
    with whole_folder(folder) as partial:
        for name, data in files.items():
            (partial / name).write_bytes(data)
            synchronize(partial / name)


def _refuse_strangers(folder: Path, *, force: bool) -> None:
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise OccupiedFolderError(folder.parent, [folder.name])
    found = sorted(path.name for path in folder.iterdir())
    strangers = [name for name in found if not _is_ours(name)]
    if strangers or (found and RECORD_NAME not in found):
        raise OccupiedFolderError(folder, strangers or found)
    if found and not force:
        raise FileInTheWayError(folder, option="--force")


def _is_ours(name: str) -> bool:
    number = name.removeprefix("fold_").removesuffix(".safetensors")
    return name in {RECORD_NAME, CARD_NAME} or (
        number.isdigit() and name == f"fold_{number}.safetensors"
    )


def _read(path: Path, *, most_bytes: int) -> bytes:
    """A regular file's bytes: no link, and not one byte more than it may have."""
    try:
        facts = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        raise MissingBundleError(path.parent, lacking=path.name) from None
    if not stat.S_ISREG(facts.st_mode):
        raise DamagedBundleError(path, reason="it is a link or no file: a bundle has its own files")
    if facts.st_size > most_bytes:
        reason = f"it has {facts.st_size} bytes, more than the {most_bytes} that it may have"
        raise DamagedBundleError(path, reason=reason)
    try:
        # A link that was put there meanwhile is not followed either.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with contextlib.closing(os.fdopen(descriptor, "rb")) as stream:
            return stream.read(most_bytes + 1)
    except OSError as error:
        raise DamagedBundleError(path, reason=f"it cannot be read: {error.strerror}") from error


def _refuse(constant: str) -> Any:  # noqa: ANN401  # as json wants it
    msg = f"{constant} is no number"
    raise ValueError(msg)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "a key stands twice"
        raise ValueError(msg)
    return found
