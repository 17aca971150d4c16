"""Run the demo as `make demo` does, and hold its scores to what is promised of generated photos.

Usage: python scripts/demo_scores.py. Writes data/demo, like the demo.
"""

import json
import subprocess
import sys

from promises import SLACK, promise, r2_of

DEFAULT_BAR = 0.92


def main() -> None:
    """Run, and look at the scores of groups held out."""
    done = subprocess.run(
        [sys.executable, "-c", "from biomass_pipeline.cli import main; main()", "demo", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    promise(done.returncode == 0, f"the demo runs: exit code {done.returncode}")
    r2 = r2_of(json.loads(done.stdout))
    promise(
        r2["auto"] >= DEFAULT_BAR and r2["auto"] >= r2["ridge"] - SLACK,
        f"demo, default, groups held out: R2 {r2['auto']:.4f} >= {DEFAULT_BAR}, and the ridge's "
        f"{r2['ridge']:.4f} - {SLACK}",
    )


if __name__ == "__main__":
    main()
