"""`status --watch`: a running extraction seen from outside, in any process's folds."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import typer

from biomass_pipeline.cli.opening import open_project
from biomass_pipeline.store import Growth, growing, part_name

# Between two folds nothing is written for a moment.
_QUIET_LOOKS = 2


@dataclass
class Pace:
    """How fast folds grow, since each was first seen."""

    clock: Callable[[], float] = time.monotonic
    _first: dict[tuple[str, int | None], tuple[float, int]] = field(default_factory=dict)

    def describe(self, growth: Growth) -> dict[str, Any]:
        """What is done, the rate, and the time left; both None until something grew."""
        now_s = self.clock()
        key = (growth.fingerprint, growth.fold)
        since_s, rows_then = self._first.setdefault(key, (now_s, growth.n_rows))
        grown = growth.n_rows - rows_then
        rate = grown / (now_s - since_s) if grown and now_s > since_s else None
        left_s = (growth.total_rows - growth.n_rows) / rate if rate else None
        return {**asdict(growth), "rows_per_s": rate, "seconds_left": left_s}


def watch_extraction(
    config: Path | None, overrides: tuple[str, ...], *, interval_s: float, as_json: bool
) -> int:
    """Print each fold that is being written, look after look, until none is or Ctrl-C.

    Returns:
        0.
    """
    features = open_project(config, overrides).layout.extractions
    pace, n_looks = Pace(), 0
    try:
        for looked in _looks(features, interval_s):
            n_looks += 1
            folds = [pace.describe(growth) for growth in looked]
            if as_json:
                typer.echo(json.dumps({"folds": folds}))
            else:
                for row in folds:
                    typer.echo(line(row))
    except KeyboardInterrupt:
        return 0
    if not as_json:
        typer.echo("Nothing is being written any more." if n_looks else "Nothing is being written.")
    return 0


def line(row: dict[str, Any]) -> str:
    """One fold's state in words."""
    pace = "" if row["rows_per_s"] is None else f", {row['rows_per_s']:.1f} rows/s"
    rest = "" if row["seconds_left"] is None else f", {row['seconds_left']:.0f} s left"
    return (
        f"{part_name(row['fold'])}: {row['n_photos']} of {row['total_photos']} photos, "
        f"{row['n_rows']} of {row['total_rows']} rows{pace}{rest}"
    )


def _looks(features: Path, interval_s: float) -> Iterator[list[Growth]]:
    """Looks with something to show, until there is nothing twice in a row."""
    quiet, seen = 0, False
    while quiet < (_QUIET_LOOKS if seen else 1):
        looked = growing(features)
        quiet = 0 if looked else quiet + 1
        if looked:
            seen = True
            yield looked
        if looked or (seen and quiet < _QUIET_LOOKS):
            time.sleep(interval_s)
