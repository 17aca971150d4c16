"""Whatever is killed, full or locked: a sentence or nothing is said, and the next run completes.

`python benchmarks/chaos.py` is the long form of it.
"""

import sys

import pytest

from biomass_pipeline_tests.chaos.nursery import Nursery
from biomass_pipeline_tests.chaos.stories import Chaos, Tally

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="process groups, /proc and flock"),
]


@pytest.fixture(scope="module")
def chaos(tmp_path_factory):
    home = tmp_path_factory.mktemp("chaos")
    with Nursery(home).opened() as nursery:
        yield Chaos.begun(home, nursery, seed=0)


def test_a_few_kills_a_refusing_disk_and_a_locked_database(chaos):
    tally = Tally()
    n_kills = chaos.kills(tally, "kills", most=8)
    chaos.refusals(tally, "refusals", most=2)
    chaos.locked(tally, "locked")
    print(dict(tally.tries))  # noqa: T201  # for who runs it with -s
    assert tally.faults == []
    assert n_kills > 1
