"""How a result was made: what each stage took, what was computed and what was taken over."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from biomass_pipeline.reporting.table import Head, Row, Table, count, number, score


@dataclass(frozen=True)
class StageRecord:
    """The latest making of one stage, or of one fold of it.

    Attributes:
        stage: The asset's name.
        part: Its fold; empty without.
        seconds: What its own work took, without waiting for others; None if nobody noted it.
        computed: How many photos or models were computed; None where that is not counted.
        reused: How many were taken over from an earlier run.
    """

    stage: str
    part: str = ""
    seconds: float | None = None
    computed: int | None = None
    reused: int | None = None


def stage_table(records: Sequence[StageRecord]) -> Table:
    """A line a stage, its folds together."""
    stages = dict.fromkeys(record.stage for record in records)
    rows = []
    for stage in stages:
        parts = [record for record in records if record.stage == stage]
        computed, reused = (
            _sum(getattr(p, name) for p in parts) for name in ("computed", "reused")
        )
        seconds = [part.seconds for part in parts if part.seconds is not None]
        rows.append(
            Row(
                (Head(stage),),
                (
                    count(len(parts)),
                    number(sum(seconds) if seconds else None),
                    score(None) if computed is None else count(computed),
                    score(None) if reused is None else count(reused),
                ),
            )
        )
    return Table(
        "What each stage's latest making took, its folds added up; photos embedded or models "
        "trained, and those taken over from an earlier run.",
        ("Stage", "Parts", "Seconds", "Computed", "Reused"),
        tuple(rows),
    )


def making_sentence(records: Sequence[StageRecord]) -> str:
    """What was computed and what was not, in words; empty where nobody noted it."""
    known = [record for record in records if record.stage == "feature_cache"]
    computed, reused = (_sum(getattr(r, name) for r in known) for name in ("computed", "reused"))
    if computed is None:
        return ""
    return (
        f"When the features were last made, {count(computed)} photos were embedded and the "
        f"features of {count(reused or 0)} were copied, since nothing had changed for them."
    )


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
