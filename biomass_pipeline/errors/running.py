"""Errors about assets and their runs."""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from biomass_pipeline.errors.family import BiomassError


class AssetFailedError(BiomassError):
    """An asset failed for a reason that nobody foresaw; Dagster's log keeps the traceback."""

    def __init__(self, asset: str, *, fold: str | None, cause: str, run_id: str) -> None:
        super().__init__(
            f"{place_of(asset, fold=fold)} failed: {cause}. What was finished before it is kept. "
            f"This is nothing that the checks foresaw, perhaps a bug: its traceback is in "
            f"Dagster's run {run_id}, which `biomass ui` shows under Runs."
        )


class StorageRefusedError(BiomassError):
    """The disk, or Dagster's database on it, refuses."""

    def __init__(self, what: str, *, why: str, remedy: str) -> None:
        super().__init__(
            f"{what}: {why}. {remedy}, then run `biomass run` again. What was finished before is "
            f"kept, and no file is left half written."
        )


class SeveralRunsFailedError(BiomassError):
    """More than one run failed, for different reasons."""

    def __init__(self, failures: Sequence[tuple[str, str]]) -> None:
        listed = "\n".join(f"  - {run}: {reason}" for run, reason in failures)
        super().__init__(
            f"{len(failures)} runs failed:\n{listed}\n"
            f"Nothing that depends on them was run; the rest was. What was finished is kept: mend "
            f"the causes, then run `biomass run` again."
        )


class InterruptedRunError(BiomassError):
    """Somebody stopped a run on purpose."""

    exit_code = 130  # as a shell reports it

    def __init__(self) -> None:
        super().__init__(
            "Interrupted. What was finished is kept (photos embedded, epochs trained, tables "
            "written), and the next `biomass run` goes on from it."
        )


class InterruptedCommandError(BiomassError):
    """Somebody pressed Ctrl-C in a verb that runs no asset."""

    exit_code = 130  # as a shell reports it

    def __init__(self, command: str) -> None:
        super().__init__(
            f"Interrupted. What was finished is kept, and files are written whole or not at all; "
            f"`{command}` begins again with what is there."
        )


class DecoderStartError(BiomassError):
    """No process that decodes photos can be started."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"A process that decodes photos cannot be started: {reason}. It needs another Python "
            f"with the same packages and about 100 MB of memory: make room, or set "
            f"`compute.decode_processes` to false."
        )


class FailedCheckError(BiomassError):
    """A blocking asset check failed, so nothing after its asset may run."""

    def __init__(self, check: str, *, asset: str, found: str) -> None:
        super().__init__(
            f"Check `{check}` of `{asset}` failed: {found} Nothing after it was run. "
            f"Rematerialize `{asset}` and what it reads; if the check fails again, its details are "
            f"in `biomass ui`."
        )


class MissingTableError(BiomassError, FileNotFoundError):
    """An asset that another one reads was never materialized, or its file was deleted."""

    def __init__(self, asset: str, path: Path) -> None:
        super().__init__(
            f"Asset `{asset}` has nothing at {path}. Materialize it first, or run `biomass run`, "
            f"which materializes whatever is missing."
        )


class UnknownSelectionError(BiomassError):
    """A selection names no asset or fold of the graph."""

    exit_code = 2

    def __init__(self, selection: str, known: Sequence[str], *, n_folds: int) -> None:
        near = _near_name(selection, known)
        hint = "" if near is None else f"Did you mean `{near}`? "
        super().__init__(
            f"The selection `{selection}` names nothing in the graph. {hint}"
            f"Assets: {', '.join(known)}; "
            f"`+` before or after a name adds what is upstream or downstream of it. "
            f"Folds: 0 to {n_folds - 1}, of those assets that have folds."
        )


class UnsettledAssetError(BiomassError):
    """An asset is stale again right after it ran."""

    def __init__(self, asset: str, count: int) -> None:
        super().__init__(
            f"{asset} is still stale after {count} runs, so its inputs change while it runs. Wait "
            f"until the photos and the configuration stop changing, then run `biomass run` again."
        )


class BusyProjectError(BiomassError):
    """Another command is at work on the same project."""

    def __init__(self, root: Path, *, owner: str) -> None:
        super().__init__(
            f"Another `biomass` command is running on {root}: {owner}. Wait until it ends, or "
            f"stop it; it loses at most the photos in flight."
        )


def place_of(asset: str, *, fold: str | None) -> str:
    """An asset, or one part of it, as errors name it."""
    part = f"fold {fold}" if fold is not None and fold.isdigit() else fold
    return f"`{asset}`" if part is None else f"`{asset}` of {part}"


def _near_name(selection: str, known: Sequence[str]) -> str | None:
    """The known name that is most like a name in a selection that is none."""
    for name in re.findall(r"[a-z_]+", selection.lower()):
        if name not in known and (near := difflib.get_close_matches(name, known, n=1)):
            return str(near[0])
    return None
