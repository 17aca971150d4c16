"""A growing file seen from another process: finished bags can be read, and nobody waits."""

import os
import subprocess
import sys

import pytest

from biomass_pipeline.errors import DamagedCacheError, MissingCacheError
from biomass_pipeline.store import Growth, growing, open_partial
from biomass_pipeline_tests.store.fold import STAMP, final_of, fold_of, folder_at, write

# Writes a block for each line that it is given.
WRITER = """
import sys
from biomass_pipeline_tests.store.fold import STAMP, ByContent, fold_of, folder_at

class Waiting(ByContent):
    def embed(self, wanted):
        for block in super().embed(wanted):
            sys.stdin.readline()
            yield block
            print("written", flush=True)

contents = fold_of(("a", "c1"), ("b", "c2"), ("c", "c3"), tiles=4)
embedder = Waiting(contents, tiles_a_block=2)
folder_at(".").write(3, contents, stamp=STAMP, embedder=embedder, max_refused=0)
"""


@pytest.fixture
def writer(tmp_path):
    """Another process, and the step that makes it write one more block."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def step():
            process.stdin.write("\n")
            process.stdin.flush()
            return process.stdout.readline()

        yield step
        process.kill()


def test_finished_bags_are_read_while_others_are_written(tmp_path, writer):
    folder = folder_at(tmp_path)
    partial = final_of(folder, 3).with_suffix(".h5.partial")
    assert writer() == "written\n"
    features = folder.layout.extractions
    assert growing(features) == [Growth(STAMP.fingerprint, 3, 0, 3, 2, 12)]
    with open_partial(partial, STAMP.fingerprint) as view:
        with pytest.raises(DamagedCacheError, match="photo a is not finished yet"):
            view.bag(0)
        assert writer() == "written\n"
        assert view.bag(0).tolist() == [[1, 0], [1, 1], [1, 2], [1, 3]]
        assert view.complete().tolist() == [True, False, False]
        for _ in range(3):
            writer()
        assert view.growth() == Growth(STAMP.fingerprint, 3, 2, 3, 10, 12)
        assert view.bag(1).tolist() == [[2, 0], [2, 1], [2, 2], [2, 3]]
        assert writer() == "written\n"
        assert view.complete().all()
    while final_of(folder, 3).exists() is False:
        pass
    assert folder.open(3, STAMP.fingerprint).load().bag(2)[3].tolist() == [3, 3]


def test_a_dead_writers_file_does_not_grow(tmp_path):
    folder = folder_at(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        write(folder, 0, fold_of(("a", "c1"), ("b", "c2")), stop_after=1)
    assert growing(folder.layout.extractions) == []


def test_a_file_that_is_just_being_laid_out_is_passed_over(tmp_path):
    folder = folder_at(tmp_path)
    partial = final_of(folder).with_suffix(".h5.partial")
    seen = []

    class Looking:
        def feature_dim(self):
            return 2

        def notes(self):
            partial.write_bytes(b"half")
            seen.append(growing(folder.layout.extractions))
            return {}

        def embed(self, wanted):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.write(0, fold_of(("a", "c1")), stamp=STAMP, embedder=Looking(), max_refused=0)
    assert seen == [[]]


def test_what_was_published_meanwhile_is_gone(tmp_path):
    with (
        pytest.raises(MissingCacheError),
        open_partial(tmp_path / "fold_0.h5.partial", STAMP.fingerprint),
    ):
        pass
