"""A machine that shares a project's folder and has a Dagster of its own, run as a program.

What it says: a line when it is ready, and the error's sentence if it ended with one. It begins when
it is told to, so that several begin at once.
"""

import sys
from pathlib import Path

import dagster as dg

from biomass_pipeline.errors import BiomassError
from biomass_pipeline.project import Project
from biomass_pipeline_tests.farm import graph_of


def main(config, home, selection):
    """Run what is stale of a selection, remembering it in another home."""
    project = Project.open(Path(config), environment={})
    Path(home).mkdir(exist_ok=True)
    Path(home, "dagster.yaml").touch()
    with dg.DagsterInstance.from_config(home) as instance:
        graph = graph_of(project, instance)
        graph.observe()
        print("ready", flush=True)  # noqa: T201  # as said
        sys.stdin.readline()
        try:
            graph.run(graph.select(selection), on_step=lambda _: None)
        except BiomassError as error:
            print(error)  # noqa: T201  # as above
            sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
