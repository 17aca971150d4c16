"""What `run` says while it runs: a bar or lines for extraction, a line a Dagster run."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console

from biomass_pipeline.cli.bars import Bars, extraction_words, spell
from biomass_pipeline.cli.terminal import say
from biomass_pipeline.errors import BiomassError
from biomass_pipeline.features import Progress
from biomass_pipeline.mil.progress import TrainingProgress
from biomass_pipeline.orchestration import Pace, Step, progress_line, training_line
from biomass_pipeline.store import part_name

_PLAIN_EVERY_S = 10.0


@dataclass
class TerminalReporter:
    """Extraction and training as bars on a terminal, and as a line now and then elsewhere."""

    console: Console
    n_embedded: int = 0
    clock: Callable[[], float] = time.monotonic
    _open: list[Bars] = field(default_factory=list)

    def close(self) -> None:
        """Stop the bars that are still there: a bar hides the cursor while it moves."""
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
        """A callback for the training of one fold's networks: a bar, or a line now and then."""
        self.close()
        return self._training_bar(fold) if self.console.is_terminal else self._training_lines(fold)

    def _training_bar(self, fold: int) -> Callable[[TrainingProgress], None]:
        """Over all epochs that may come; it jumps where a network stops early."""
        bars, pace = Bars(self.console, f"fold {fold}"), Pace(self.clock)

        def report(progress: TrainingProgress) -> None:
            pace.step()
            self._start(bars)
            total = progress.n_networks * progress.most_epochs
            left = progress.most_epochs_left
            bars.show(
                total - left,
                total,
                f"epochs, {1 / max(pace.epoch_s, 1e-9):.1f}/s, network {progress.network}/"
                f"{progress.n_networks}, at most {spell(left * pace.epoch_s)} left",
            )

        return report

    def _training_lines(self, fold: int) -> Callable[[TrainingProgress], None]:
        pace, last_s = Pace(self.clock), self.clock()

        def report(progress: TrainingProgress) -> None:
            nonlocal last_s
            pace.step()
            if self.clock() - last_s >= _PLAIN_EVERY_S:
                last_s = self.clock()
                line = f"  fold {fold}: {training_line(progress, pace)}"
                say(self.console, line)

        return report

    def _start(self, bars: Bars) -> None:
        if bars not in self._open:
            self._open.append(bars)
            bars.start()

    def _bar(self, fold: int | None) -> Callable[[Progress], None]:
        bars, started_s = Bars(self.console, part_name(fold)), self.clock()

        def report(progress: Progress) -> None:
            elapsed_s = max(self.clock() - started_s, 1e-9)
            self._start(bars)
            bars.show(
                progress.n_photos,
                progress.total_photos,
                extraction_words(
                    progress.n_photos, progress.n_tiles, progress.total_tiles, elapsed_s
                ),
            )
            if progress.n_photos == progress.total_photos:
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
        say(self.console, line)


def announcer(
    console: Console, *, before: Callable[[], None] = lambda: None
) -> Callable[[Step], None]:
    """Says of each Dagster run what it materializes and why, assets of one reason in one line.

    Args:
        console: Where to.
        before: Called first, to clear away the bar of the run before.
    """

    def announce(step: Step) -> None:
        before()
        place = "" if step.fold is None else f" {_part(step.fold)}"
        by_reason: dict[str, list[str]] = {}
        for verdict in step.verdicts:
            by_reason.setdefault("; ".join(verdict.reasons), []).append(verdict.node.asset)
        for reason, assets in by_reason.items():
            say(console, f"{step.job}{place}: {', '.join(assets)} ({reason})")

    return announce


def failure_announcer(console: Console) -> Callable[[Step, BiomassError], None]:
    """Says of a fold that failed that the others go on; the command ends with the reason."""

    def announce(step: Step, _: BiomassError) -> None:
        if step.fold is not None:
            say(console, f"{step} failed; the others go on")

    return announce


def _part(key: str) -> str:
    """A fold by its number; a protocol's key speaks for itself."""
    return f"fold {key}" if key.isdigit() else key
