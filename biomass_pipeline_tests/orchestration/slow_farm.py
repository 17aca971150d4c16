"""A farm whose photos are embedded slowly, so that a test can stop what is under way.

Loaded by Dagster as a code location, or run as a program: `biomass` on the same backbone. Every
batch that was embedded is a line in the file that `SLOW_FARM_LOG` names. While there is a file of
that name that ends in `.hold`, each batch but a process's first takes `HELD_S`.
"""

import os
import sys
import time
from pathlib import Path

import dagster as dg

from biomass_pipeline.cli import main, opening
from biomass_pipeline.orchestration import build_definitions, build_resources
from biomass_pipeline.project import Project
from biomass_pipeline_tests.farm import CountingBackbone

LOG_VARIABLE, PAUSE_VARIABLE = "SLOW_FARM_LOG", "SLOW_FARM_PAUSE_S"
# Long enough to be stopped in between, and not for ever: a batch under way is always ended.
HELD_S = 10


class SlowBackbone(CountingBackbone):
    """Pauses at each batch, then notes how many tiles it had."""

    def build(self):
        (backbone,) = super().build()
        embed, log = backbone.embed, Path(os.environ[LOG_VARIABLE])
        own = 0

        def slowly(tiles):
            nonlocal own
            began_s, pause_s = time.monotonic(), float(os.environ.get(PAUSE_VARIABLE, "0.2"))
            time.sleep(pause_s)
            while own and hold_of(log).exists() and time.monotonic() < began_s + HELD_S:
                time.sleep(0.05)
            own += 1
            with log.open("a", encoding="utf-8") as file:
                file.write(f"{len(tiles)}\n")
            return embed(tiles)

        backbone.embed = slowly
        return [backbone]


def resources(project, **options):
    return build_resources(project, **options) | {"backbone": SlowBackbone()}


@dg.definitions
def defs():
    project = Project.open()
    return build_definitions(project, resources=resources(project))


def hold_of(log):
    return log.with_suffix(".hold")


def embedded(log):
    """How many tiles were embedded, by all processes so far."""
    return sum(map(int, log.read_text(encoding="utf-8").split())) if log.exists() else 0


if __name__ == "__main__":
    opening.build_resources = resources
    sys.argv[0] = "biomass"
    main()
