"""What a complete run looked at, kept to be compared at a glance, without Dagster."""

import glob
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from biomass_pipeline.config import differing, recorded
from biomass_pipeline.project import Project
from biomass_pipeline.whole import write_whole


@dataclass(frozen=True)
class Sight:
    """Files as a listing shows them: how many, and a hash of names, sizes and times.

    None where a look would take a network.
    """

    n_files: int
    stamp: str


@dataclass(frozen=True)
class Trace:
    """A complete run.

    Attributes:
        moment: When it ended, UTC.
        configuration: What of it may decide a score.
        photos: The photos' folder.
        labels: The label file.
        scores_ns: When the scores were written, in ns since 1970, which tells whether others made
            new ones since; None if there were none.
        n_quarantined: Photos and labels that were left out.
    """

    moment: str
    configuration: Mapping[str, Any]
    photos: Sight | None
    labels: Sight | None
    scores_ns: int | None
    n_quarantined: int


def trace_of(project: Project, *, n_quarantined: int) -> Trace:
    """The project as it is now."""
    data = project.config.data
    return Trace(
        moment=datetime.now(UTC).isoformat(timespec="seconds"),
        configuration=recorded(project.config),
        photos=look_at(data.images, base=project.base),
        labels=look_at(data.labels, base=project.base),
        scores_ns=_written_ns(project.layout.metrics),
        n_quarantined=n_quarantined,
    )


def keep_trace(project: Project, *, n_quarantined: int) -> None:
    """Write down that everything is up to date now."""
    text = json.dumps(asdict(trace_of(project, n_quarantined=n_quarantined)), indent=2)
    file = project.layout.last_run
    write_whole(file, lambda path: path.write_text(f"{text}\n", encoding="utf-8"))


def last_trace(project: Project) -> Trace | None:
    """What the last complete run looked at; None if it is not known."""
    try:
        kept = json.loads(project.layout.last_run.read_text(encoding="utf-8"))
        sights = {name: kept[name] and Sight(**kept[name]) for name in ("photos", "labels")}
        return Trace(**{**kept, **sights})
    except (OSError, ValueError, TypeError, KeyError):
        # A memory aid only: without it `biomass status` tells the same.
        return None


def changes(before: Trace, now: Trace) -> Iterator[str]:
    """What is not as it was, in words."""
    for key, was, value in differing(before.configuration, now.configuration):
        yield f"{key} is {shown(value)}, was {shown(was)}"
    for what, one, other in (
        ("photos", before.photos, now.photos),
        ("labels", before.labels, now.labels),
    ):
        if one is not None and other is not None and one != other:
            grown = other.n_files - one.n_files
            yield f"{what}: {_grown(grown)}" if grown else f"{what}: changed or touched"


def look_at(location: str, *, base: Path) -> Sight | None:
    """A file, a folder or a glob of this machine, as a listing shows it.

    Args:
        location: As configured.
        base: What a relative one starts from.
    """
    if "://" in location:
        return None
    hashed, n_files = hashlib.sha256(), 0
    for path in sorted(_files(base / location)):
        hashed.update(os.fsencode(path.name) + f"\0{_facts(path)}\n".encode())
        n_files += 1
    return Sight(n_files, hashed.hexdigest()[:16])


def shown(value: object) -> str:
    """A value of a configuration as YAML has it in one line."""
    return json.dumps(value, ensure_ascii=False)


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    elif place.is_dir():
        for folder, names, files in os.walk(place):
            names[:] = [name for name in names if not name.startswith(".")]
            yield from (Path(folder, name) for name in files if not name.startswith("."))
    else:
        found = map(Path, glob.glob(str(place), recursive=True))  # noqa: PTH207  # an absolute pattern
        yield from (path for path in found if path.is_file())


def _facts(path: Path) -> str:
    """Size and time; empty for a link to nowhere, or for what is gone by now."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_size}\0{found.st_mtime_ns}"


def _grown(n_files: int) -> str:
    noun = "file" if abs(n_files) == 1 else "files"
    return f"{abs(n_files)} {noun} {'more' if n_files > 0 else 'fewer'}"


def _written_ns(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None
