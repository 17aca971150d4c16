"""Hold one tick of the arrivals sensor on a large folder to its limit, as ratios in one run.

Usage: python benchmarks/arrivals.py [RESULT.json] [--photos N]. A tick lists the folder, hashes the
listing and compares it with what was remembered; no photo is opened, so empty files are as good.
Beside it stands the least that any listing takes: `os.scandir` with a `stat` a file.
"""

import argparse
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import yaml
from verdicts import Target, finish

from biomass_pipeline.benchmark import Effort, fastest
from biomass_pipeline.manifest import ImageFolder
from biomass_pipeline.manifest.sidecar import Record, remember
from biomass_pipeline.orchestration.sensors import arrivals_sensor
from biomass_pipeline.project import Project

TICK_S, N_PHOTOS, FOLDERS = 5.0, 50_000, 100
REPEATS = Effort(rounds=3, enough_s=0)


def write_farm(folder: Path, n_photos: int) -> Project:
    """Empty photos in many folders, changed an hour ago, and all but a thousand remembered."""
    (folder / "labels.csv").write_text("image_path,mass_g\n", encoding="utf-8")
    before_s = time.time() - 3600
    for number in range(n_photos):
        path = folder / "photos" / f"paddock {number % FOLDERS}" / f"IMG_{number:06d}.jpg"
        if number < FOLDERS:
            path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (before_s, before_s))
    settings = {
        "name": "farm",
        "root": "artefacts",
        "data": {"images": "photos", "labels": "labels.csv"},
    }
    file = folder / "biomass.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    project = Project.open(file, environment={})
    known = ImageFolder("photos", base=folder).files()[:-1000]
    records = [Record(file.path, file.stamp, "0" * 64, file.n_bytes) for file in known]
    remember(records, sidecar=project.layout.image_sidecar)
    return project


def bare(folder: Path) -> int:
    """What a listing cannot do without."""
    count = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            count += bare(Path(entry.path)) if entry.is_dir() else entry.stat().st_size + 1
    return count


def main() -> None:
    """Measure, print, and write the result where it is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("result", type=Path, nargs="?", help="JSON file to write")
    parser.add_argument("--photos", type=int, default=N_PHOTOS, help="how many")
    asked = parser.parse_args()
    with (
        TemporaryDirectory(prefix="biomass_arrivals_") as folder,
        dg.DagsterInstance.local_temp(folder) as instance,
    ):
        project = write_farm(Path(folder), asked.photos)
        sensor = arrivals_sensor(project)

        def tick(cursor: str | None = None) -> dg.SensorResult:
            context = dg.build_sensor_context(instance=instance, cursor=cursor)
            result = sensor(context)
            assert isinstance(result, dg.SensorResult)  # noqa: S101  # else nothing was measured
            return result

        seen = tick().cursor
        ways = {
            "quiet": tick,
            "acting": lambda: tick(seen),
            "bare": lambda: bare(Path(folder) / "photos"),
        }
        (request,) = tick(seen).run_requests or ()
        took = fastest(ways, effort=REPEATS)
    slowest_s = max(took["quiet"], took["acting"])
    finish(
        asked.result,
        ratios={
            "a tick over the limit": slowest_s / TICK_S,
            "a tick over the bare listing": slowest_s / took["bare"],
        },
        targets=[Target("a tick that asks for a run, s", TICK_S, slowest_s, at_most=True)],
        details={"photos": asked.photos, "seconds": took, "cause": dict(request.tags)},
    )


if __name__ == "__main__":
    main()
