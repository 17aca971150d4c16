"""Dagster's SQLite files, each opened once by a process instead of once a query.

Dagster's storage makes a SQLAlchemy engine for every event that it writes and every record that it
reads. A new engine compiles each statement again, and a new connection reads the schema of its file
again: nearly half of the time of a graph whose assets are small. Dagster has no setting for it, so
the name by which its storage makes engines is replaced, here and nowhere else; a contract test
names the versions that it is known to work on.
"""

import logging
import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from sqlalchemy import Engine, QueuePool, create_engine, make_url

_USERS = (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage)
# Who copies the database, or a disk that is slow for a while, locks it for longer than the 5 s that
# SQLite waits by itself.
_PATIENCE_S = 60.0
# Three files of a project, and those of the runs that are being written. Each holds descriptors.
_MOST_KEPT = 8


def keep_connections() -> None:
    """From now on, Dagster's SQLite storage opens each of its files once in this process."""
    for module in _USERS:
        module.create_engine = _kept  # type: ignore[attr-defined]  # imported there, not exported


class KeptPool(QueuePool):
    """Connections that stay open after a query, though Dagster disposes of their engine."""

    def dispose(self) -> None:
        """Do nothing: `close` is for whoever means it."""

    def recreate(self) -> "KeptPool":
        """Itself, as nothing was disposed of."""
        return self

    def close(self) -> None:
        """Close every connection that is not in use."""
        super().dispose()


# SQLAlchemy names a pool's logger by its class. As one of ours it would be shown with the run: that
# is, be written through the very storage that is about to write.
logging.getLogger(f"{KeptPool.__module__}.{KeptPool.__qualname__}").propagate = False


@dataclass
class _Kept:
    engine: Engine
    pool: KeptPool
    # Of the file that its connections have open; none before there was one.
    inode: int | None


class KeptConnections:
    """An engine a file, for as long as it is the same file; the latest used ones are kept.

    Args:
        make: What makes an engine: `sqlalchemy.create_engine`.
    """

    def __init__(self, make: Callable[..., Engine] = create_engine) -> None:
        self._make = make
        self._lock = RLock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        # A connection that goes with a fork must neither be used nor closed by the child: SQLite's
        # locks belong to the process. Nor may the child wait for a lock that is held elsewhere.
        self._inherited: list[OrderedDict[str, _Kept]] = []
        os.register_at_fork(after_in_child=self._begin_anew)

    def __call__(self, url: str, **options: Any) -> Engine:  # noqa: ANN401  # of create_engine
        """The engine of an SQLite file, made where none is kept.

        Args:
            url: `sqlite:///...`
            options: As for `sqlalchemy.create_engine`; a pool is not a choice.
        """
        with self._lock:
            inode = _inode(url)
            found = self._kept.get(url)
            if found and found.inode not in (None, inode):
                # Deleted meanwhile, and perhaps made anew: what is open is not that file.
                self._kept.pop(url).pool.close()
                found = None
            if found is None:
                found = self._kept[url] = self._open(url, **options)
            found.inode = inode
            self._kept.move_to_end(url)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)[1].pool.close()
            return found.engine

    def _open(self, url: str, **options: Any) -> _Kept:  # noqa: ANN401
        patience = {"timeout": _PATIENCE_S, **options.get("connect_args", {})}
        engine = self._make(url, **{**options, "poolclass": KeptPool, "connect_args": patience})
        if not isinstance(engine.pool, KeptPool):  # pragma: no cover  # the pool was just named
            raise TypeError(type(engine.pool))
        return _Kept(engine, engine.pool, None)

    def _begin_anew(self) -> None:
        self._inherited.append(self._kept)
        self._kept = OrderedDict()
        self._lock = RLock()


def _inode(url: str) -> int | None:
    try:
        return Path(make_url(url).database or "").stat().st_ino
    except OSError:
        return None


_kept = KeptConnections()
