"""Print what runs because of what, expected and observed: the table in docs/automation.md."""

import sys
import tempfile
import warnings
from pathlib import Path

import dagster as dg

from biomass_pipeline_tests.orchestration.scenarios import (
    SCENARIOS,
    ByAutomation,
    ByCommand,
    Scenario,
    World,
    build_template,
    copy_of,
    play,
)

HEAD = """| what happens | what has to run | photos embedded | by itself | `biomass run` |
|---|---|---|---|---|"""


def row(scenario: Scenario, template: World, folder: Path) -> str:
    """One scenario, played twice."""
    seen = [observed(scenario, template, folder / kind.__name__, kind) for kind in KINDS]
    cells = [scenario.name, scenario.runs or "nothing", str(scenario.embeds), *seen]
    return "| " + " | ".join(cells) + " |"


KINDS = (ByAutomation, ByCommand)


def observed(scenario: Scenario, template: World, folder: Path, kind: type[World]) -> str:
    """Whether what ran was what had to; else what ran."""
    folder.mkdir()
    with dg.DagsterInstance.ephemeral(tempdir=str(folder)) as instance:
        world = copy_of(template, kind, folder / "farm", instance)
        try:
            play(scenario, world)
        finally:
            world.restore()
        embedded = scenario.photos_embedded(world)
        same = sorted(world.ran) == scenario.expected(world) and embedded == scenario.embeds
        return "the same" if same else f"{scenario.observed(world)}; {embedded:g} embedded"


def main(file: Path) -> None:
    """Play every scenario and write the table."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with dg.DagsterInstance.ephemeral(tempdir=name) as instance:
            template = build_template(folder / "template", instance)
            rows = []
            for number, scenario in enumerate(SCENARIOS):
                own = folder / str(number)
                own.mkdir()
                rows.append(row(scenario, template, own))
                print(rows[-1], file=sys.stderr, flush=True)
    file.write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
