"""Hold the weights-free path to its limits, as ratios in one run; run it on an idle machine.

Usage: python benchmarks/limits.py [RESULT.json]. Figures: tiles of 518 px a second over the limit
of 20; the pipeline over the bare backbone; the seconds that the graph takes to load, and that a run
with nothing to do takes, over their limits of 15 and 20.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from verdicts import Target, finish

from biomass_pipeline.benchmark import Effort, ModelRates, Plan, fastest, measure
from biomass_pipeline.config import BackboneConfig, Config
from biomass_pipeline.synthetic import SyntheticSpec, write_photos

TILES_PER_S, LOAD_S, IDLE_RUN_S = 20.0, 15.0, 20.0
REPEATS = Effort(rounds=3, enough_s=0)


def extraction() -> ModelRates:
    """The default backbone, bare and in the pipeline, on photos of 1000 x 2000 px."""
    (model,) = measure(Plan(Config(), (BackboneConfig(),), ("cpu",), effort=REPEATS)).models
    return model


def starting(folder: Path) -> dict[str, float]:
    """Loading the graph, and a run of a finished small demo with nothing to do."""
    write_photos(
        folder, spec=SyntheticSpec(n_photos=24, n_sessions=12, height_px=200, width_px=400)
    )
    (folder / "biomass.yaml").write_text(
        "name: b\nroot: a\ndata: {images: photos, labels: train.csv}\n"
        "tiling: {tile_px: 100, stride_px: 80}\ntraining: {epochs: 2, n_seeds: 1}\n",
        encoding="utf-8",
    )
    variables = os.environ | {"BIOMASS_CONFIG": str(folder / "biomass.yaml")}

    def program(*code: str) -> Callable[[], object]:
        command = [sys.executable, *code]
        return lambda: subprocess.run(command, env=variables, check=True, capture_output=True)

    run = program(
        "-c", "import sys; sys.argv[1:] = ['run']; import biomass_pipeline.cli as c; c.main()"
    )
    run()
    load = program("-c", "import biomass_pipeline.definitions")
    return fastest({"load": load, "idle run": run}, effort=REPEATS)


def main() -> None:
    """Measure, print, and write the result where it is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("result", type=Path, nargs="?", help="JSON file to write")
    asked = parser.parse_args()
    model = extraction()
    with TemporaryDirectory(prefix="biomass_limits_") as folder:
        took = starting(Path(folder) / "demo")
    finish(
        asked.result,
        ratios={
            "tiles a second over the limit": model.bare_tiles_per_s / TILES_PER_S,
            "pipeline over bare backbone": model.pipeline_over_bare,
            "loading over the limit": took["load"] / LOAD_S,
            "a run with nothing to do over the limit": took["idle run"] / IDLE_RUN_S,
        },
        targets=[
            Target("tiles a second", TILES_PER_S, model.pipeline_tiles_per_s),
            Target("loading the graph, s", LOAD_S, took["load"], at_most=True),
            Target("a run with nothing to do, s", IDLE_RUN_S, took["idle run"], at_most=True),
        ],
        details={"bare_tiles_per_s": model.bare_tiles_per_s, **took},
    )


if __name__ == "__main__":
    main()
