"""Hold the promises about change to 5,000 small photos: what is embedded, and what it costs.

Usage: python benchmarks/incremental.py [RESULT.json]. Each step is one `biomass run` up to the
feature cache in a process of its own: seconds over those of a run with nothing to do, photos
embedded, and the process's peak memory.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from verdicts import Target, finish

N_PHOTOS, N_FEW, N_GROUPS, SIDE_PX = 5_000, 500, 50, 64
IDLE_LIMIT_S, ADDED_LIMIT_S, FLAT_RATIO = 15.0, 10.0, 1.25
EMBEDDED = {
    "first": N_PHOTOS,
    "idle": 0,
    "added 3": 3,
    "removed 10": 0,
    "other fold count": 0,
    "other backbone": N_PHOTOS - 7,
}
BACKBONE, OTHER_BACKBONE = "colour-texture", "rcf"
CONFIGURATION = f"""
name: scale
root: artefacts
data:
  images: photos
  labels: labels.csv
  layout: wide
  date_column: null
  targets: [{{name: mass_g}}]
  identities: {{}}
  group_columns: [session]
tiling: {{tile_px: {SIDE_PX}, stride_px: {SIDE_PX}}}
backbone: {{name: {BACKBONE}}}
"""


@dataclass(frozen=True)
class Step:
    """What one run did."""

    embedded: int
    seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Survey:
    """A folder of small photos with labels and a configuration."""

    folder: Path

    def write(self, numbers: range) -> None:
        """Write photos that all differ, and labels for all that are there."""
        photos = self.folder / "photos"
        photos.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            pixels = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
            image = Image.fromarray(pixels).resize((SIDE_PX, SIDE_PX), Image.Resampling.NEAREST)
            image.save(photos / f"p{number:05d}.png")
        self.label()
        (self.folder / "biomass.yaml").write_text(CONFIGURATION, encoding="utf-8")

    def remove(self, numbers: range) -> None:
        """Delete photos and their labels."""
        for number in numbers:
            (self.folder / "photos" / f"p{number:05d}.png").unlink()
        self.label()

    def label(self) -> None:
        """One row for each photo that is there."""
        with (self.folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["image_path", "session", "mass_g"])
            for path in sorted((self.folder / "photos").iterdir()):
                number = int(path.stem[1:])
                table.writerow([path.name, f"s{number % N_GROUPS:02d}", number % 97])

    def run(self, *overrides: str) -> Step:
        """Bring the feature cache up to date in a process of its own."""
        options = [word for override in overrides for word in ("--set", override)]
        command = ["run", "--select", "+feature_cache", "--json", *options]
        started_s = time.perf_counter()
        process = self.start(*command, stdout=subprocess.PIPE)
        assert process.stdout is not None  # noqa: S101  # asked for above
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started_s
        if os.waitstatus_to_exitcode(status) != 0:
            sys.exit(f"biomass {' '.join(command)} failed")
        embedded = json.loads(printed)["photos_embedded"]
        return Step(embedded, seconds, usage.ru_maxrss / 1024)

    def start(self, *command: str, stdout: int | None = None) -> "subprocess.Popen[bytes]":
        """Start the command line on this survey."""
        code = "import biomass_pipeline.cli as c; c.main()"
        variables = os.environ | {"BIOMASS_CONFIG": str(self.folder / "biomass.yaml")}
        full = [sys.executable, "-c", code, *command]
        return subprocess.Popen(full, env=variables, stdout=stdout)

    def extractions(self) -> int:
        """How many fingerprints have files."""
        return len(list((self.folder / "artefacts" / "features").iterdir()))


def walk(survey: Survey) -> tuple[dict[str, Step], int, int]:
    """Every kind of change, one after the other, and the extractions before and after a prune."""
    steps: dict[str, Step] = {}
    survey.write(range(N_PHOTOS))
    steps["first"] = survey.run()
    steps["idle"] = survey.run()
    survey.write(range(N_PHOTOS, N_PHOTOS + 3))
    steps["added 3"] = survey.run()
    survey.remove(range(10))
    steps["removed 10"] = survey.run()
    steps["other fold count"] = survey.run("folds.n_folds=4")
    other = ("folds.n_folds=4", f"backbone.name={OTHER_BACKBONE}")
    steps["other backbone"] = survey.run(*other)
    n_before = survey.extractions()
    options = [word for override in other for word in ("--set", override)]
    if survey.start("cache", "prune", "--yes", *options).wait():
        sys.exit("biomass cache prune failed")
    return steps, n_before, survey.extractions()


def main() -> None:
    """Measure, print, and write the result where it is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("result", type=Path, nargs="?", help="JSON file to write")
    asked = parser.parse_args()
    with TemporaryDirectory(prefix="biomass_incremental_") as folder:
        few = Survey(Path(folder) / "few")
        few.write(range(N_FEW))
        first_of_few = few.run()
        steps, n_before, n_after = walk(Survey(Path(folder) / "many"))
    idle_s = steps["idle"].seconds
    added_s = steps["added 3"].seconds - idle_s
    flat = steps["first"].peak_mb / first_of_few.peak_mb
    finish(
        asked.result,
        ratios={
            "a run with nothing to do over the limit": idle_s / IDLE_LIMIT_S,
            "adding 3 beyond that over the limit": added_s / ADDED_LIMIT_S,
            "peak memory, 5000 photos over 500": flat,
        },
        targets=[
            Target("a run with nothing to do, s", IDLE_LIMIT_S, idle_s, at_most=True),
            Target("adding 3 photos beyond that, s", ADDED_LIMIT_S, added_s, at_most=True),
            Target("peak memory, 5000 photos over 500", FLAT_RATIO, flat, at_most=True),
            *(
                Target(f"photos embedded, {name}", n, steps[name].embedded, exactly=True)
                for name, n in EMBEDDED.items()
            ),
            Target("extractions on disk before a prune", 2, n_before, exactly=True),
            Target("extractions on disk after it", 1, n_after, exactly=True),
        ],
        details={
            "peak_mb_of_500": first_of_few.peak_mb,
            "steps": {name: asdict(step) for name, step in steps.items()},
        },
    )


if __name__ == "__main__":
    main()
