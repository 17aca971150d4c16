"""One writer a fold. The system holds the lock for a process, so a dead one leaves none behind."""

import errno
import logging
import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from biomass_pipeline.errors import BusyCacheError, UnlockableFolderError
from biomass_pipeline.store.disk import remove, writing

_log = logging.getLogger(__name__)

# Whoever only looks whether a fold is being written holds its lock for less than this.
_LOOK_S = 0.5
_NEVER_S = -1.0
_SOMEBODY = "another process"
# A file system without locks, or without one to spare.
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}


def acquire_lock(path: Path, *, timeout_s: float = 0.0) -> FileLock:
    """Hold a file until `release`, or until this process ends, however it ends.

    Args:
        path: The lock's own file.
        timeout_s: How long to wait for another holder; negative: as long as it takes.

    Raises:
        Timeout: Another process holds it.
        UnlockableFolderError: The file system has no locks.
        OSError: The file cannot be opened or made.
    """
    # Without locks, filelock would take the file's being there for one: a killed process would
    # leave it behind for ever.
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=timeout_s, poll_interval=_LOOK_S / 10)
    except OSError as error:
        # Timeout is one of them, without a number.
        if error.errno not in _NO_LOCKS:
            raise
        why = os.strerror(error.errno or 0).lower()
        raise UnlockableFolderError(path.parent, why=why) from error
    return lock


def sign_lock(path: Path) -> None:
    """Say in a lock's file who holds it."""
    moment = datetime.now(UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
    path.write_text(
        f"process {os.getpid()} on {platform.node()}, since {moment} UTC", encoding="utf-8"
    )


def signed_by(path: Path) -> str:
    """Who held a lock last, as far as it is known."""
    try:
        return path.read_text(encoding="utf-8") or _SOMEBODY
    except (OSError, ValueError):
        return _SOMEBODY


def holder_of(path: Path) -> str:
    """Who holds a lock now, as far as it can be known from here; empty: nobody.

    Args:
        path: The lock's own file, which is there.
    """
    # Before the attempt: older versions of filelock empty the file that they try to lock.
    owner = signed_by(path)
    try:
        acquire_lock(path).release()
    except Timeout:
        return owner
    except (OSError, UnlockableFolderError):
        # A folder that is read-only or has no locks.
        return ""
    return ""


@contextmanager
def fold_lock(final: Path) -> Iterator[None]:
    """Hold a fold's file for writing.

    Raises:
        BusyCacheError: Another process writes it.
        UnlockableFolderError: The file system has no locks.
        UnwritableCacheError: There can be no lock in its folder.
    """
    lock = _acquired(final, _lock_path(final), timeout_s=_LOOK_S)
    try:
        with writing(final):
            sign_lock(_lock_path(final))
        yield
    finally:
        lock.release()


@contextmanager
def waiting_lock(path: Path, *, what: str) -> Iterator[None]:
    """Hold a lock, waiting for whoever holds it; the log says for whom.

    Args:
        path: The lock's own file; its folder is made.
        what: What it is for, as a log says it: `training fold 0`.

    Raises:
        UnlockableFolderError: The file system has no locks.
        OSError: The file cannot be opened or made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    owner = signed_by(path)
    try:
        lock = acquire_lock(path, timeout_s=_LOOK_S)
    except Timeout:
        _log.info("%s waits for %s", what, owner)
        lock = acquire_lock(path, timeout_s=_NEVER_S)
    try:
        sign_lock(path)
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
    try:
        lock = acquire_lock(path)
    except (OSError, UnlockableFolderError):
        # Held (`Timeout`); or another user's folder, or one that is read-only or unreachable from
        # here: only its writer can know, and it keeps the file.
        return True
    lock.release()
    return False


def remove_if_free(path: Path) -> bool:
    """Delete a file that lies beside a fold's, such as `fold_0.1.superseded`.

    Returns:
        Whether it is gone; it stays while somebody writes the fold.

    Raises:
        UnwritableCacheError: The folder refuses.
    """
    try:
        with fold_lock(fold_file(path)), writing(path):
            remove(path)
    except BusyCacheError:
        return False
    return True


def remove_unlocked_folder(folder: Path) -> None:
    """Delete a folder that holds nothing but locks, all of them free.

    Raises:
        UnwritableCacheError: The folder refuses.
    """
    with ExitStack() as held, writing(folder):
        locks = list(folder.iterdir())
        if not all(path.name.startswith(".") and path.suffix == ".lock" for path in locks):
            return
        for path in locks:
            try:
                held.callback(acquire_lock(path).release)
            except Timeout:
                return
        for path in locks:
            remove(path)
        try:
            folder.rmdir()
        except OSError as error:
            # Somebody began to write here just now.
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise


def fold_file(path: Path) -> Path:
    """The fold's own file that a file lies beside: `fold_0.1.superseded` -> `fold_0.h5`."""
    return path.with_name(f"{path.name.partition('.')[0]}.h5")


def _acquired(final: Path, path: Path, *, timeout_s: float) -> FileLock:
    with writing(final):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Before the attempt: older versions of filelock empty the file that they try to lock.
        owner = signed_by(path)
        try:
            return acquire_lock(path, timeout_s=timeout_s)
        except Timeout:
            raise BusyCacheError(final, owner=owner) from None


def _lock_path(final: Path) -> Path:
    return final.with_name(f".{final.stem}.lock")
