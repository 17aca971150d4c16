"""Hold a season of arrivals to its promises: each content embedded once, nothing that grows.

Usage: python benchmarks/soak.py [RESULT.json] [--ticks 500] [--seed 0]. The arrivals sensor looks
at a tiny farm again and again in compressed time, while photos come, change, go and are half
written; what it asks for is run in this process, on Dagster's real storage. Needs Linux.
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from verdicts import Target, finish

from biomass_pipeline.layout import Layout
from biomass_pipeline.orchestration import open_instance
from biomass_pipeline_tests.chaos.season import begun

SLOPE_MB = 10.0


def main() -> None:
    """Let the season pass, print, and write the result where it is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("result", type=Path, nargs="?", help="JSON file to write")
    parser.add_argument("--ticks", type=int, default=500, help="looks of the sensor")
    parser.add_argument("--seed", type=int, default=0, help="another season")
    asked = parser.parse_args()
    began_s = time.monotonic()
    with (
        TemporaryDirectory(prefix="biomass_soak_") as folder,
        open_instance(Layout(Path(folder) / "artefacts")) as instance,
    ):
        season = begun(Path(folder), instance, seed=asked.seed)
        season.pass_by(asked.ticks)
    late = season.sizes[-1]
    finish(
        asked.result,
        ratios={"tiles embedded over tiles of contents": season.embedded_over_met},
        targets=[
            Target("tiles embedded over those met", 1, season.embedded_over_met, exactly=True),
            Target("MB more in 100 looks", SLOPE_MB, season.slope_mb(), at_most=True),
            Target("more files open in the last third", 0, season.more_descriptors(), at_most=True),
        ],
        details={
            "ticks": asked.ticks,
            "seed": asked.seed,
            "runs asked for": season.n_asked,
            "photos embedded": season.backbone.n_tiles // 2,
            "resident MB at the end": late.resident_mb,
            "files open at the end": late.descriptors,
            "seconds": time.monotonic() - began_s,
        },
    )


if __name__ == "__main__":
    main()
