"""A failed run as a notice: what failed, which part, why in a sentence, where the log is."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from biomass_pipeline.notices import Notice

_OURS = "biomass_pipeline."
_PARTITION_TAG = "dagster/partition"
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`'\"(])")


def failure_notice(
    run: dg.DagsterRun, failures: Sequence[dg.DagsterEvent], *, ended: str, home: Path
) -> Notice:
    """Tell of a failed run.

    Args:
        run: The run.
        failures: Its steps' failures.
        ended: What ended it, if no step says so.
        home: Dagster's storage, with the log.
    """
    part = part_name(run.tags.get(_PARTITION_TAG))
    steps = [event.step_key or run.job_name for event in failures]
    what = ", ".join(f"`{step}`" for step in steps) or f"run `{run.job_name}`"
    reasons = [_reason(event) or first_sentence(ended) for event in failures]
    lines = [
        reason if len(steps) == 1 else f"`{step}`: {reason}"
        for step, reason in zip(steps, reasons, strict=True)
    ] or [first_sentence(ended)]
    return Notice(
        f"{what}{part} failed",
        (*lines, "What was finished before it is kept.", where_the_log_is(run.run_id, home)),
        level="error",
        facts={
            "run_id": run.run_id,
            "job": run.job_name,
            "steps": steps,
            "partition": run.tags.get(_PARTITION_TAG),
            "cause": run.tags.get("biomass/cause"),
        },
    )


def part_name(partition: str | None) -> str:
    """The part of an asset that a run is about.

    >>> part_name("2")
    ' of fold 2'
    """
    if partition is None:
        return ""
    return f" of fold {partition}" if partition.isdigit() else f" of {partition}"


def where_the_log_is(run_id: str, home: Path) -> str:
    """Where a person finds the whole of it."""
    return f"Log: run {run_id} under Runs in Dagster's UI, whose storage is {home}."


def first_sentence(text: str) -> str:
    """The first sentence of a message; a path with dots does not end it.

    >>> first_sentence("data/a.b.h5 is damaged. Rematerialize `feature_cache`.")
    'data/a.b.h5 is damaged.'
    """
    line, _, rest = text.strip().partition("\n")
    if line.endswith(":"):  # a list follows: its first item says what kind of thing happened
        line = f"{line} {rest.partition(chr(10))[0].strip(' -')}".strip()
    return _SENTENCE_END.split(line, maxsplit=1)[0] or "It gave no reason."


def _reason(event: dg.DagsterEvent) -> str:
    """Why a step failed: our own error's sentence, else the error's kind and message."""
    for error in _causes(event.step_failure_data.error):
        if (error.cls_name or "").startswith("Dagster"):
            continue
        kind, _, message = error.message.partition(": ")
        if kind.startswith(_OURS):
            return first_sentence(message)
        return first_sentence(f"{error.cls_name}: {message}" if message else error.message)
    error = event.step_failure_data.error
    return first_sentence(error.message.partition(": ")[2] or error.message) if error else ""


def _causes(error: Any) -> Iterator[Any]:  # noqa: ANN401  # Dagster does not export its type
    """An error, what it was raised from, and so on."""
    while error is not None:
        yield error
        error = error.cause
