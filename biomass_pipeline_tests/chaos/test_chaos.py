"""Whatever is killed, full or locked: a sentence or nothing is said, and the next run completes.

`python benchmarks/chaos.py` is the long form of it.
"""

import sys
from functools import partial

import pytest

from biomass_pipeline_tests.chaos.nursery import Nursery
from biomass_pipeline_tests.chaos.stories import KILLS, Chaos, Tally

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="process groups, /proc and flock"),
]


@pytest.fixture(scope="module")
def chaos(tmp_path_factory):
    home = tmp_path_factory.mktemp("chaos")
    with Nursery(home).opened() as nursery:
        yield Chaos.begun(home, nursery, seed=0)


def test_a_project_survives_kills_a_disk_that_refuses_and_a_locked_database(chaos):
    tally = Tally()
    chaos.story(
        tally,
        "all of it",
        partial(chaos.kills, most=6),
        partial(chaos.refusals, most=2),
        chaos.locked,
    )
    print(dict(tally.tries), dict(tally.places))  # noqa: T201  # for who runs it with -s
    assert tally.faults == []
    assert sum(tally.tries[kind] for kind in KILLS) > 1
