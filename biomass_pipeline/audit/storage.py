"""Dagster's storage and the searches: SQLite's own checks, on copies, as opening a file writes."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import yaml

from biomass_pipeline.audit.condition import RESTORE, Condition, State
from biomass_pipeline.audit.ground import Ground, Made, damaged
from biomass_pipeline.layout import Layout
from biomass_pipeline.orchestration.instance import SETTINGS_VARIABLE

_EVENTS = Path("history", "runs", "index.db")
_SETTINGS = "dagster.yaml"
_MAGIC = b"SQLite format 3\0"
_STRUCTURE = "SQLite checks how its files are built, so a changed value inside is not seen"
_FORGET = (
    f"{RESTORE}, or delete the folder: Dagster then forgets past runs, and `biomass run` runs "
    f"everything without embedding or training anything again"
)
_FRESH = f"{RESTORE}, or delete it: the next `biomass tune` begins anew"


def things_made(layout: Layout) -> frozenset[Made] | None:
    """What was ever materialized, by asset and partition; None where nobody remembers."""
    home = layout.dagster_home
    settings = _settings_of(home)
    if settings is None or not (_kept_elsewhere(settings) or (home / _EVENTS).is_file()):
        return None
    with TemporaryDirectory() as folder:
        copy = Path(folder)
        (copy / _SETTINGS).write_text(settings, encoding="utf-8")
        try:
            _copy(home / _EVENTS, copy / _EVENTS)
            with dg.DagsterInstance.from_config(str(copy), _SETTINGS) as instance:
                return frozenset(_remembered(instance))
        except Exception:  # noqa: BLE001  # whatever a damaged storage makes of it; it is told there
            return None


def audit_storage(ground: Ground) -> Iterator[Condition]:
    """Dagster's home, and the trials of searches."""
    home, layout = ground.layout.dagster_home, ground.layout
    name = layout.name(home)
    files = sorted(home.rglob("*.db"))
    faults = [fault for file in files if (fault := _fault(layout, file, _FORGET))]
    yield from faults
    if home / _EVENTS not in files and not _kept_elsewhere(_settings_of(home) or ""):
        what = "Dagster's memory of what was made is gone"
        if any(layout.root.glob("*.parquet")):
            yield Condition(name, State.MISSING, what, _FORGET)
    elif not faults:
        yield Condition(name, State.READABLE, f"{len(files)} databases; {_STRUCTURE}")
    if layout.studies.exists():
        searches = Condition(layout.name(layout.studies), State.READABLE, _STRUCTURE)
        yield _fault(layout, layout.studies, _FRESH) or searches


def _remembered(instance: dg.DagsterInstance) -> Iterator[Made]:
    for key in instance.all_asset_keys():
        name = key.to_user_string()
        parts = instance.get_materialized_partitions(key)
        yield from ((name, part) for part in parts)
        if not parts and instance.get_latest_materialization_event(key) is not None:
            yield name, None


def _settings_of(home: Path) -> str | None:
    """How the storage is set up: by a deployment, or in its own folder."""
    shared = os.environ.get(SETTINGS_VARIABLE)
    file = Path(shared) if shared else home / _SETTINGS
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def _kept_elsewhere(settings: str) -> bool:
    """Whether what was made is remembered in a database of a server."""
    try:
        found = yaml.safe_load(settings)
    except yaml.YAMLError:
        return False
    return isinstance(found, dict) and bool({"storage", "event_log_storage"} & found.keys())


def _fault(layout: Layout, file: Path, remedy: str) -> Condition | None:
    try:
        if _is_cut(file):
            return damaged(layout.name(file), "its end is lacking", remedy)
        with _opened(file) as connection:
            ((found,), *_) = connection.execute("PRAGMA integrity_check(1)")
    except (sqlite3.Error, OSError) as error:
        return damaged(layout.name(file), f"SQLite cannot read it ({error})", remedy)
    return None if found == "ok" else damaged(layout.name(file), f"SQLite says: {found}", remedy)


def _is_cut(file: Path) -> bool:
    """Whether a database ends within a page, which SQLite's check does not mind.

    Bytes 16 and 17 are the size of a page, 1 for 65536 (SQLite's file format, 1.3).
    """
    with file.open("rb") as stream:
        head = stream.read(18)
    n_bytes = int.from_bytes(head[16:], "big") if head.startswith(_MAGIC) else 0
    page_bytes = 65536 if n_bytes == 1 else n_bytes
    return bool(page_bytes) and file.stat().st_size % page_bytes > 0


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    """A database as it is, its unfinished log included, without a trace beside it."""
    with TemporaryDirectory() as folder:
        place = file
        if _log_of(file).exists():
            place = Path(folder, "copy.db")
            _copy(file, place)
        uri = f"{place.resolve().as_uri()}?mode=ro"
        uri += "&immutable=1" if place == file else ""
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            yield connection


def _copy(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    for one, other in ((file, place), (_log_of(file), _log_of(place))):
        if one.exists():
            shutil.copyfile(one, other)


def _log_of(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")
