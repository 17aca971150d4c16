"""One writer a fold. The system holds the lock for a process, so a dead one leaves none behind."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from biomass_pipeline.errors import BusyCacheError
from biomass_pipeline.store.disk import writing

# Whoever only looks whether a fold is being written holds its lock for less than this.
_LOOK_S = 0.5
_NEVER_S = -1.0


@contextmanager
def fold_lock(final: Path) -> Iterator[None]:
    """Hold a fold's file for writing.

    Raises:
        BusyCacheError: Another process writes it.
        UnwritableCacheError: There can be no lock in its folder.
    """
    lock = _acquired(final, _lock_path(final), timeout_s=_LOOK_S)
    try:
        with writing(final):
            _lock_path(final).write_text(
                f"process {os.getpid()} on {platform.node()}", encoding="utf-8"
            )
        yield
    finally:
        lock.release()


@contextmanager
def folder_lock(final: Path) -> Iterator[None]:
    """Wait for, and hold, what decides which replaced files of a folder are still needed."""
    lock = _acquired(final, final.with_name(".folder.lock"), timeout_s=_NEVER_S)
    try:
        yield
    finally:
        lock.release()


def is_locked(final: Path) -> bool:
    """Whether a living process writes a fold's file."""
    path = _lock_path(final)
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except PermissionError:
        # Another user's folder: only its writer can know, and it keeps the file.
        return True
    lock.release()
    return False


def _acquired(final: Path, path: Path, *, timeout_s: float) -> FileLock:
    lock = FileLock(path)
    with writing(final):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Before the attempt: older versions of filelock empty the file that they try to lock.
        owner = path.read_text(encoding="utf-8") if path.exists() else ""
        try:
            lock.acquire(timeout=timeout_s, poll_interval=_LOOK_S / 10)
        except Timeout:
            raise BusyCacheError(final, owner=owner or "another process") from None
    return lock


def _lock_path(final: Path) -> Path:
    return final.with_name(f".{final.stem}.lock")
