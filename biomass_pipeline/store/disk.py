"""Writing that a full, read-only or vanished folder answers with one sentence, and never half."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from biomass_pipeline.errors import BiomassError, UnwritableCacheError
from biomass_pipeline.whole import synchronize

_NO_ROOM = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
_NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS}
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say of a failed write what failed and what to do.

    Raises:
        UnwritableCacheError: The disk or the folder refuses.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = _number(error)
        if number is None or isinstance(error, BiomassError):
            raise
        why = os.strerror(number).lower()
        raise UnwritableCacheError(path, why=why, remedy=_remedy(path, number)) from error


def reserve(file: BinaryIO) -> None:
    """Take a file's space on the disk now, so that a full disk is met before the work is done."""
    if not hasattr(os, "posix_fallocate"):
        return
    size = file.seek(0, os.SEEK_END)
    try:
        if size:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        # Some file systems cannot; a full disk is then met when it is full.
        if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENODEV}:
            raise


def write_at(file: BinaryIO, place: int, data: memoryview) -> None:
    """Write all of it, starting at a byte of the file."""
    file.seek(place)
    rest = data.cast("B")
    while rest:
        # An unbuffered file may take a part only; the next call then says why.
        rest = rest[file.write(rest) :]


def publish(partial: Path, final: Path) -> None:
    """Make a written file the whole one: fsync it, rename it, fsync its folder."""
    synchronize(partial)
    partial.replace(final)
    synchronize(final.parent)


def remove(path: Path) -> None:
    """Delete a file that may be gone already."""
    with suppress(FileNotFoundError):
        path.unlink()


def _number(error: OSError | RuntimeError) -> int | None:
    """The system's error number; HDF5 hides it in its text."""
    number = getattr(error, "errno", None)
    if number is None and (found := re.search(r"errno = (\d+)", str(error))):
        number = int(found.group(1))
    return number


def _remedy(path: Path, number: int) -> str:
    if number in _NO_ROOM:
        return f"Free space on the disk of {path.parent}, or raise its limit"
    if number in _NO_RIGHT:
        return f"Make {path.parent} writable for this user, or set another `root`"
    if number in _GONE:
        return f"{path.parent} disappeared while it was written to: bring it back if it was moved"
    return f"Check the disk of {path.parent}"
