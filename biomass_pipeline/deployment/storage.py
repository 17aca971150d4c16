"""Dagster's PostgreSQL storage, that keeps connections and waits for a database that was restarted.

Dagster opens a connection for every statement, which takes more of the processor than what is
asked: three quarters of the time of an automation's tick.

Dagster tries a connection again for eleven seconds, but a statement never. A statement that is
under way while the database restarts then fails its step, and a failed step is not run again by
itself: a restart at night would leave a hole until somebody looks. Named in `docker/dagster.yaml`.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping
from functools import cache, wraps
from threading import local
from typing import Any, ParamSpec, TypeVar

from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import DagsterPostgresException, pg_url_from_config
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError

P = ParamSpec("P")
R = TypeVar("R")

# A database that needs longer has been stopped, and whoever did it expects errors.
PATIENCE_S = 120.0
# Of one process. More are opened for more threads, and closed after use.
KEPT_CONNECTIONS = 2
_PAUSE_S = 0.5
_now = local()
_log = logging.getLogger(__name__)


class PatientPostgresStorage(DagsterPostgresStorage):
    """Runs, events and ticks in PostgreSQL; a lost connection is a wait, not an error."""

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,  # noqa: FBT001, FBT002  # Dagster's signature
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        super().__init__(postgres_url, should_autocreate_tables, inst_data)
        engine = _pooled(postgres_url)
        for part in (self._run_storage, self._event_log_storage, self._schedule_storage):
            part._engine = engine  # noqa: SLF001  # nothing public but the webserver's, which sets a limit of time
            _make_patient(part)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "PatientPostgresStorage":
        """Build it from the section in `dagster.yaml`."""
        return cls(
            pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            inst_data,
        )


@cache
def _pooled(postgres_url: str) -> Engine:
    """Keeps connections, and looks whether one still stands before it is used.

    One for all storages of a process: Dagster opens its instance anew for each tick of a sensor,
    and every one would keep connections of its own.
    """
    engine = create_engine(
        postgres_url,
        isolation_level="AUTOCOMMIT",
        pool_size=KEPT_CONNECTIONS,
        max_overflow=-1,
        pool_pre_ping=True,
    )
    # Two processes on one connection would read each other's answers.
    os.register_at_fork(after_in_child=lambda: engine.dispose(close=False))
    return engine


def patient(method: Callable[P, R]) -> Callable[P, R]:
    """A storage method that is called again, for two minutes in all, while the database is away.

    A call that had done half of its work repeats that half: an event may be written twice, which
    means the same to every reader as once. Calls inside the call share its patience.
    """

    @wraps(method)
    def waiting(*args: P.args, **kwargs: P.kwargs) -> R:
        outermost = not hasattr(_now, "deadline")
        if outermost:
            _now.deadline = time.monotonic() + PATIENCE_S
        try:
            while True:
                try:
                    return method(*args, **kwargs)
                except (DBAPIError, DagsterPostgresException) as error:
                    if not _is_away(error) or time.monotonic() > _now.deadline:
                        raise
                    _log.warning("The database is away; %s waits for it.", method.__name__)
                    time.sleep(_PAUSE_S)
        finally:
            if outermost:
                del _now.deadline

    return waiting


def _is_away(error: Exception) -> bool:
    """Whether the connection was lost, or could not be made, rather than the statement refused."""
    return isinstance(error, DagsterPostgresException) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )


def _make_patient(part: Any) -> None:  # noqa: ANN401  # one of three storages
    for name in dir(type(part)):
        declared = getattr(type(part), name)
        if not name.startswith("_") and callable(declared) and not isinstance(declared, type):
            setattr(part, name, patient(getattr(part, name)))
