"""A season in a few minutes: photos come, change, go and are half written, between looks.

The sensor looks as the daemon would make it look, its clock told; what it asks for is run here.
"""

import gc
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np

from biomass_pipeline.orchestration import Graph, build_definitions, build_resources
from biomass_pipeline.orchestration.sensors import arrivals_sensor
from biomass_pipeline.testing import (
    CountingBackbone,
    FixedClock,
    TinySurvey,
    write_tiny_survey,
)

TICK_S = 30.0
TILES_A_PHOTO = 2
# Photos that are older than the longest wait for a file to settle, and what is half written.
_OLD_S, _SETTLE_S = 1_700_000_000.0, 3_600.0
_HALF_BYTES = 40
_MOST_PHOTOS = 40


@dataclass(frozen=True)
class Size:
    """What this process holds."""

    tick: int
    resident_mb: float
    descriptors: int


@dataclass
class Season:
    """One farm, one sensor, and what happened so far.

    Attributes:
        survey: The photos, labels and settings.
        instance: Dagster's storage.
        chance: Draws what happens to the photos.
        backbone: Counts the tiles that are embedded.
        n_asked: Runs that the sensor asked for.
        sizes: Of this process, from look to look.
    """

    survey: TinySurvey
    instance: dg.DagsterInstance
    chance: np.random.Generator
    backbone: CountingBackbone = field(default_factory=CountingBackbone)
    clock: FixedClock = field(default_factory=FixedClock)
    n_asked: int = 0
    sizes: list[Size] = field(default_factory=list)
    _cursor: str | None = None
    _n_made: int = 0
    _well: dict[str, int] = field(default_factory=dict)
    _half: list[str] = field(default_factory=list)
    _met: set[int] = field(default_factory=set)

    def pass_by(self, n_ticks: int) -> None:
        """Let so many looks pass, with changes before every other one, and quiet at the end."""
        sensor = arrivals_sensor(self.survey.project(), clock=self.clock)
        for tick in range(n_ticks):
            if tick % 4 == 0 and tick < n_ticks - 4:
                self._change()
            self._look(sensor)
            self._measure(tick)

    @property
    def embedded_over_met(self) -> float:
        """Tiles embedded over those of all contents that a run met: 1, if each is embedded once."""
        return self.backbone.n_tiles / (TILES_A_PHOTO * len(self._met))

    def slope_mb(self) -> float:
        """Megabytes that this process grew by in 100 looks, after the first third of them."""
        late = self.sizes[len(self.sizes) // 3 :]
        ticks, resident = [s.tick for s in late], [s.resident_mb for s in late]
        return float(100 * np.polyfit(ticks, resident, 1)[0])

    def more_descriptors(self) -> int:
        """How many more files are open at most in the last third than in the second."""
        third = len(self.sizes) // 3
        second, last = self.sizes[third:-third], self.sizes[-third:]
        return max(s.descriptors for s in last) - max(s.descriptors for s in second)

    def _look(self, sensor: dg.SensorDefinition) -> None:
        self.clock.forward(TICK_S)
        context = dg.build_sensor_context(instance=self.instance, cursor=self._cursor)
        result: Any = sensor(context)
        self._cursor = result.cursor
        if result.run_requests:
            self.n_asked += 1
            self._run()

    def _run(self) -> None:
        """What the daemon and the automation would do: observe, then bring features up to date."""
        project = self.survey.project()
        resources = build_resources(project, settle=True) | {"backbone": self.backbone}
        graph = Graph(build_definitions(project, resources=resources), self.instance)
        self._met |= {*self._well.values()}
        graph.observe()
        wanted = [*graph.select("+feature_cache"), *graph.select("inference_features")]
        graph.run(wanted, on_step=lambda _: None)

    def _change(self) -> None:
        """Some photos come, one changes, one goes; what was half written is finished."""
        for name in self._half:
            self._write(name)
        self._half.clear()
        for _ in range(int(self.chance.integers(0, 3))):
            self._write(self._name())
        if self.chance.integers(2):
            self._write_half(self._name())
        names = sorted(self._well)
        if self.chance.integers(2):
            self._write(names[int(self.chance.integers(len(names)))])
        if len(names) > _MOST_PHOTOS or self.chance.integers(4) == 0:
            spare = [name for name in names if self._can_go(name)]
            self._remove(spare[int(self.chance.integers(len(spare)))])
        self.survey.write(automation={"settle_s": _SETTLE_S})

    def _name(self) -> str:
        return f"photo{self._n_made}.png"

    def _write(self, name: str) -> None:
        """Another content under a name; every other photo is weighed."""
        number, self._n_made = self._n_made, self._n_made + 1
        path = self.survey.photo(name, number % 256, blue=100 + number // 256)
        os.utime(path, (_OLD_S + number, _OLD_S + number))
        self._well[name] = number
        if number % 2 and name not in self.survey.rows:
            self.survey.label(name, f"2024-05-{number % 6 + 1:02d}", 1 + number / 10)

    def _write_half(self, name: str) -> None:
        self._n_made += 1
        path = self.survey.photo(name, 0)
        path.write_bytes(path.read_bytes()[:_HALF_BYTES])
        self._half.append(name)

    def _can_go(self, name: str) -> bool:
        """Whether its day keeps a weighed photo: a fold that loses all of its groups is refused."""
        rows = self.survey.rows
        return name not in rows or sum(rows[name][0] == date for date, _ in rows.values()) > 1

    def _remove(self, name: str) -> None:
        (self.survey.folder / "photos" / name).unlink()
        del self._well[name]
        self.survey.rows.pop(name, None)

    def _measure(self, tick: int) -> None:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        n_open = len(list(Path("/proc/self/fd").iterdir()))
        self.sizes.append(Size(tick, pages * os.sysconf("SC_PAGE_SIZE") / 1e6, n_open))


def begun(folder: Path, instance: dg.DagsterInstance, *, seed: int) -> Season:
    """A season on twelve photos that were there before it."""
    survey = write_tiny_survey(folder)
    season = Season(survey, instance, np.random.default_rng(seed))
    for number, name in enumerate(_names(survey)):
        os.utime(survey.folder / "photos" / name, (_OLD_S, _OLD_S))
        season._well[name] = -1 - number
    survey.write(automation={"settle_s": _SETTLE_S})
    return season


def _names(survey: TinySurvey) -> Iterator[str]:
    yield from sorted(survey.rows)
