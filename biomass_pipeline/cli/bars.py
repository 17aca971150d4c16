"""Bars that fit any terminal: what is said beside one goes below it where there is no room."""

from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Task, TextColumn
from rich.progress import Progress as RichBars
from rich.table import Table
from rich.text import Text

_BAR = 12
_MINUTE_S, _HOUR_S = 60, 3600


class Bars(RichBars):
    """One bar, with its words beside it or below; gone once it is stopped."""

    def __init__(self, console: Console, name: str) -> None:
        """Nothing is shown before the first call of `start`.

        Args:
            console: The terminal.
            name: What stands in front of the bar.
        """
        # rich asks for what to show while it sets itself up.
        self._screen = console
        self._name = name
        super().__init__(
            TextColumn(f"  {name}", markup=False),
            BarColumn(bar_width=_BAR),
            MofNCompleteColumn(),
            console=console,
            transient=True,
        )
        self._bar = self.add_task(name, total=None, told="")

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar with its words; a terminal may be resized meanwhile."""
        bar = self.make_tasks_table(self.tasks)
        words = Text("\n").join(Text(task.fields["told"]) for task in self.tasks)
        beside = sum(map(self._width, self.tasks)) + words.cell_len
        if self._screen.width < beside:
            yield from (bar, Padding(words, (0, 0, 0, 2)))
            return
        line = Table.grid(padding=(0, 1))
        line.add_row(bar, words)
        yield line

    def _width(self, task: Task) -> int:
        """Columns that name, bar and count take, with a gap after each."""
        count = 2 * len(str(int(task.total or 0))) + 1
        return len(f"  {self._name} ") + _BAR + 1 + count + 1

    def show(self, done: int, total: int, told: str) -> None:
        """Move it.

        Args:
            done: What is finished.
            total: Of how much.
            told: Of what, how fast, and how long it will take.
        """
        self.update(self._bar, completed=done, total=total, told=told)


def spell(seconds: float) -> str:
    """A time as one says it.

    >>> spell(42), spell(600), spell(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} s"
    return (
        f"{seconds / _MINUTE_S:.0f} min" if seconds < 2 * _HOUR_S else f"{seconds / _HOUR_S:.1f} h"
    )


def extraction_words(n_photos: int, n_tiles: int, total_tiles: int, elapsed_s: float) -> str:
    """Of a running extraction: rates and the time left.

    Args:
        n_photos: Embedded so far.
        n_tiles: In them.
        total_tiles: To embed in all.
        elapsed_s: Since it began.
    """
    seconds = max(elapsed_s, 1e-9)
    left_s = seconds * (total_tiles - n_tiles) / max(n_tiles, 1)
    rates = f"{n_photos / seconds:.1f}/s, {n_tiles / seconds:.0f} tiles/s"
    return f"photos, {rates}, {spell(left_s)} left"
