"""What `run` says while it runs: a bar or lines for extraction, a line a Dagster run."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from biomass_pipeline.errors import BiomassError
from biomass_pipeline.features import Progress
from biomass_pipeline.mil.progress import TrainingProgress
from biomass_pipeline.orchestration import Pace, Step, progress_line, training_line
from biomass_pipeline.store import part_name

_PLAIN_EVERY_S = 10.0


@dataclass
class TerminalReporter:
    """Extraction as a bar on a terminal, and as a line now and then elsewhere."""

    console: Console
    n_embedded: int = 0
    clock: Callable[[], float] = time.monotonic
    _open: list[Bars] = field(default_factory=list)

    def close(self) -> None:
        """Stop the bars of extractions that did not end: a bar hides the cursor while it moves."""
        while self._open:
            self._open.pop().stop()

    def extraction(self, fold: int | None) -> Callable[[Progress], None]:
        """A callback for one fold's extraction."""
        show = self._bar(fold) if self.console.is_terminal else self._lines(fold)

        before = self.n_embedded

        def report(progress: Progress) -> None:
            self.n_embedded = before + progress.n_photos - progress.n_refused
            show(progress)

        return report

    def training(self, fold: int) -> Callable[[TrainingProgress], None]:
        """A line now and then for the training of one fold's networks."""
        pace, last_s = Pace(self.clock), self.clock()

        def report(progress: TrainingProgress) -> None:
            nonlocal last_s
            pace.step()
            if self.clock() - last_s >= _PLAIN_EVERY_S:
                last_s = self.clock()
                line = f"  fold {fold}: {training_line(progress, pace)}"
                self.console.print(line, markup=False)

        return report

    def _bar(self, fold: int | None) -> Callable[[Progress], None]:
        bars = Bars(
            TextColumn(f"  {part_name(fold)}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("photos, {task.fields[photos_s]:.1f} photos/s,"),
            TextColumn("{task.fields[tiles_s]:.0f} tiles/s,"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        task = bars.add_task("extraction", total=None, photos_s=0.0, tiles_s=0.0)
        started_s = self.clock()

        def report(progress: Progress) -> None:
            elapsed_s = max(self.clock() - started_s, 1e-9)
            done = progress.n_photos == progress.total_photos
            if bars not in self._open:
                self._open.append(bars)
                bars.start()
            bars.update(
                task,
                completed=progress.n_photos,
                total=progress.total_photos,
                photos_s=progress.n_photos / elapsed_s,
                tiles_s=progress.n_tiles / elapsed_s,
            )
            if done:
                self.close()
                self._line(fold, progress, elapsed_s)

        return report

    def _lines(self, fold: int | None) -> Callable[[Progress], None]:
        started_s = self.clock()
        last_s = [started_s]

        def report(progress: Progress) -> None:
            now_s = self.clock()
            if progress.n_photos == progress.total_photos or now_s - last_s[0] >= _PLAIN_EVERY_S:
                last_s[0] = now_s
                self._line(fold, progress, now_s - started_s)

        return report

    def _line(self, fold: int | None, progress: Progress, elapsed_s: float) -> None:
        line = f"  {part_name(fold)}: {progress_line(progress, elapsed_s)}"
        self.console.print(line, markup=False)


def announcer(console: Console) -> Callable[[Step], None]:
    """Says of each Dagster run what it materializes and why, assets of one reason in one line."""

    def announce(step: Step) -> None:
        place = "" if step.fold is None else f" {_part(step.fold)}"
        by_reason: dict[str, list[str]] = {}
        for verdict in step.verdicts:
            by_reason.setdefault("; ".join(verdict.reasons), []).append(verdict.node.asset)
        for reason, assets in by_reason.items():
            console.print(f"{step.job}{place}: {', '.join(assets)} ({reason})", markup=False)

    return announce


def failure_announcer(console: Console) -> Callable[[Step, BiomassError], None]:
    """Says of a fold that failed that the others go on; the command ends with the reason."""

    def announce(step: Step, _: BiomassError) -> None:
        if step.fold is not None:
            console.print(f"{step} failed; the others go on", markup=False)

    return announce


def _part(key: str) -> str:
    """A fold by its number; a protocol's key speaks for itself."""
    return f"fold {key}" if key.isdigit() else key
