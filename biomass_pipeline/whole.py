"""Files that are there whole or not at all, whatever is killed meanwhile."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place, put it on the disk, then rename it there.

    Each writer has a partial file of its own: of two at once the last one wins, whole.

    Args:
        path: Where the file shall be; its folder is made.
        write: Writes to the path that it is given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Numbers of processes are no names: two machines that share a folder may have the same.
    partial = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        write(partial)
        synchronize(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    synchronize(path.parent)


def synchronize(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
