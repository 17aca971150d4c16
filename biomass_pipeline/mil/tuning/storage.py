"""Where studies are kept: SQLite under the root, or a server that several machines share."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import URL, NullPool, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from biomass_pipeline.errors import MissingDriverError, StudyStorageError
from biomass_pipeline.store.locks import acquire_lock

# SQLite lets one process write at a time; the others wait, for a commit takes milliseconds.
_BUSY_TIMEOUT_S = 60
# A process on another machine shows that it lives; here the system is asked.
_HEARTBEAT_S, _SILENCE_S = 15, 120

# SQLAlchemy takes plain `postgresql://` for another driver from one release to the next.
_DRIVERS = {"postgresql": "psycopg2"}

# Any number that no other program locks in the same database.
_LOCK_KEY = 0x62696F6D617373  # "biomass"


@contextmanager
def open_storage(url: str) -> Iterator[RDBStorage]:
    """Open a database of studies, make its tables if there are none, and let it go after.

    Args:
        url: As SQLAlchemy names it. The folder of a SQLite file is made.

    Yields:
        Optuna's storage. What goes wrong with the database meanwhile is a `StudyStorageError`.

    Raises:
        MissingDriverError: The database's driver is not installed.
        StudyStorageError: The database cannot be opened, read or written.
    """
    parsed = _parsed(url)
    with _quiet_optuna():
        storage = _opened(parsed)
        try:
            with _database_errors(parsed):
                yield storage
        finally:
            storage.remove_session()
            storage.engine.dispose()


@contextmanager
def alone(url: str) -> Iterator[None]:
    """Wait until no other process makes tables or studies in the same database.

    Without it, of several that start at once all but one fail to make the tables. A process that
    dies leaves no lock behind. Servers other than PostgreSQL are taken as they are.

    Raises:
        UnlockableFolderError: The file system of a SQLite file has no locks.
    """
    parsed = _parsed(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.database:
        with _file_lock(Path(parsed.database)):
            yield
    elif backend == "postgresql":
        with _server_lock(parsed):
            yield
    else:
        yield


@contextmanager
def _file_lock(file: Path) -> Iterator[None]:
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = acquire_lock(file.with_name(f".{file.name}.lock"), timeout_s=-1.0)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _server_lock(url: URL) -> Iterator[None]:
    """PostgreSQL's own: it is held by a connection, and goes with it."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK_KEY})
        yield


def _engine(url: URL) -> dict[str, object]:
    if url.get_backend_name() != "sqlite":
        return {"pool_pre_ping": True}
    return {
        "connect_args": {"timeout": _BUSY_TIMEOUT_S},
        "pool_events": [(_write_ahead, "connect")],
    }


def _write_ahead(connection: DBAPIConnection, _record: object) -> None:
    """Let a commit cost microseconds: a trial makes some thirty, each else a wait for the disk.

    The file stays whole whatever happens; a power failure may cost the last trials. It is for the
    processes of one machine: several machines need a server.
    """
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        # Not repeated: a password may be in it.
        reason = "it is no SQLAlchemy URL, such as postgresql://user@host/name"
        raise StudyStorageError("`tuning.storage`", reason=reason) from None
    driver = _DRIVERS.get(parsed.drivername)
    return parsed.set(drivername=f"{parsed.drivername}+{driver}") if driver else parsed


def _opened(url: URL) -> RDBStorage:
    whole = url.render_as_string(hide_password=False)
    try:
        with (
            _database_errors(url),
            alone(whole),
            warnings.catch_warnings(action="ignore", category=ExperimentalWarning),
        ):
            return RDBStorage(
                # Optuna fills in braces; those of a path are percent signs here.
                whole,
                engine_kwargs=_engine(url),
                heartbeat_interval=_HEARTBEAT_S,
                grace_period=_SILENCE_S,
            )
    except ImportError as error:
        driver = getattr(error.__cause__ or error, "name", None) or url.get_driver_name()
        raise MissingDriverError(url.render_as_string(), driver=driver) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise StudyStorageError(url.render_as_string(), reason=reason) from error


@contextmanager
def _database_errors(url: URL) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ if isinstance(error, StorageInternalError) else error
        reason = (str(cause) or type(error).__name__).splitlines()[0]
        raise StudyStorageError(url.render_as_string(), reason=reason) from error


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Silence Optuna's own lines: what a person should know comes from this package."""
    logger = logging.getLogger("optuna")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
