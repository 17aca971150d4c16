"""`status --watch` beside a running extraction: photos, rows, rate and rest, until it ends."""

import json
import os
import subprocess
import sys

import pytest

from biomass_pipeline.cli.watching import Pace, line
from biomass_pipeline.store import Growth
from biomass_pipeline_tests.store.fold import STAMP

# Extracts one fold in about two seconds.
WRITER = """
import time
from biomass_pipeline_tests.store.fold import STAMP, ByContent, fold_of, folder_at

class Slow(ByContent):
    def embed(self, wanted):
        for count, block in enumerate(super().embed(wanted)):
            yield block
            if count == 0:
                print("writing", flush=True)
            time.sleep(0.05)

contents = fold_of(*((f"p{i}", f"c{i}") for i in range(20)), tiles=4)
embedder = Slow(contents, tiles_a_block=2)
folder_at("artefacts").write(2, contents, stamp=STAMP, embedder=embedder, max_refused=0)
"""


@pytest.fixture
def writer(farm):
    """Another process that extracts."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER],
        cwd=farm.folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "writing\n"
        yield process
        process.kill()


@pytest.mark.usefixtures("farm")
def test_with_nothing_to_watch_it_says_so_and_ends(biomass):
    ended = biomass("status", "--watch")
    assert (ended.code, ended.out) == (0, "Nothing is being written.\n")
    assert biomass("status", "--watch", "--json").out == ""


def test_it_follows_an_extraction_to_its_end(biomass, writer):
    ended = biomass("status", "--watch", "--interval", "0.2")
    assert ended.code == 0
    assert writer.wait(timeout=10) == 0
    *looks, last = ended.out.splitlines()
    assert last == "Nothing is being written any more."
    assert len(looks) > 2
    assert all(look.startswith("fold 2: ") for look in looks)
    assert "of 20 photos" in looks[-1]
    assert "rows/s" in looks[-1]
    assert "s left" in looks[-1]


@pytest.mark.usefixtures("writer")
def test_a_program_gets_a_line_a_look(biomass):
    ended = biomass("status", "--watch", "--interval", "0.2", "--json")
    looks = [json.loads(text)["folds"] for text in ended.out.splitlines()]
    rows = [look[0]["n_rows"] for look in looks]
    assert rows == sorted(rows)
    assert rows[0] < rows[-1] <= 80
    assert looks[0][0]["rows_per_s"] is None
    assert {look[0]["fingerprint"] for look in looks} == {STAMP.fingerprint}
    assert {look[0]["total_rows"] for look in looks} == {80}


@pytest.mark.usefixtures("writer")
def test_ctrl_c_ends_it_well(biomass, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("biomass_pipeline.cli.watching.time.sleep", interrupt)
    ended = biomass("status", "--watch")
    assert ended.code == 0
    assert ended.out.count("fold 2: ") == 1


def test_the_rate_is_that_since_the_first_look():
    times_s = iter([10.0, 12.0, 14.0])
    pace = Pace(clock=lambda: next(times_s))
    looks = [pace.describe(Growth("f", 0, n // 10, 4, n, 40)) for n in (10, 10, 20)]
    assert [look["rows_per_s"] for look in looks] == [None, None, 2.5]
    assert [line(look) for look in looks[1:]] == [
        "fold 0: 1 of 4 photos, 10 of 40 rows",
        "fold 0: 2 of 4 photos, 20 of 40 rows, 2.5 rows/s, 8 s left",
    ]


def test_photos_without_labels_are_called_so():
    growth = Growth(STAMP.fingerprint, None, 1, 4, 2, 8)
    assert line(Pace(lambda: 0.0).describe(growth)) == (
        "unlabelled photos: 1 of 4 photos, 2 of 8 rows"
    )
