"""Files that are there whole or not at all, whatever is killed meanwhile."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place, put it on the disk, then rename it there.

    Each writer has a partial file of its own: of two at once the last one wins, whole. Those that
    killed writers left are removed.

    Args:
        path: Where the file shall be; its folder is made.
        write: Writes to the path that it is given, into the file that is there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    # Numbers of processes are no names: two machines that share a folder may have the same.
    partial = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    with _held(partial):
        try:
            write(partial)
            synchronize(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    synchronize(path.parent)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into, which takes its place, and an earlier one's, once all is in it.

    Whoever writes its files puts them on the disk, with `synchronize`.

    Args:
        folder: Where it shall be; its parents are made.
    """
    folder = folder.resolve()
    name = f".{folder.name}.{os.getpid()}-{secrets.token_hex(4)}"
    partial, replaced = (folder.with_name(f"{name}.{word}") for word in ("partial", "replaced"))
    try:
        partial.mkdir(parents=True)
        yield partial
        if folder.exists():
            folder.rename(replaced)
        partial.rename(folder)
        synchronize(folder.parent)
    finally:
        if replaced.exists() and not folder.exists():
            replaced.rename(folder)
        for left in (partial, replaced):
            shutil.rmtree(left, ignore_errors=True)


def synchronize(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _held(partial: Path) -> Iterator[None]:
    """Make a partial file, locked for as long as its writer lives."""
    descriptor = _opened(partial)
    try:
        yield
    finally:
        os.close(descriptor)


def _opened(partial: Path) -> int:
    while True:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT, 0o666)
        # Without locks, as on some network shares, nobody removes what another one may be writing.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), partial.stat()):
                return descriptor
        # Somebody took it for abandoned before it was locked.
        os.close(descriptor)


def _remove_abandoned(path: Path) -> None:
    """Delete partial files of a place whose writers are dead, on whatever machine they were."""
    for name in (file.name for file in path.parent.iterdir()):
        if name.startswith(f"{path.name}.") and name.endswith(".partial"):
            # Another user's, or gone meanwhile.
            with suppress(OSError):
                _remove_if_abandoned(path.with_name(name))


def _remove_if_abandoned(partial: Path) -> None:
    descriptor = os.open(partial, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        partial.unlink()
    finally:
        os.close(descriptor)
