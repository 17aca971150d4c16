"""Kill -9 at any instant: the next run goes on, redoes a batch at most, and ends the same."""

import json
import os
import subprocess
import sys

import pytest

from biomass_pipeline_tests.store import killing

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["fake", "engine"])
def test_nothing_is_lost_whenever_a_run_is_killed(tmp_path, kind):
    told = subprocess.run(
        [sys.executable, killing.__file__, kind, "40", "0"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    stories = json.loads(told.stdout)
    assert sum(story["kills"] for story in stories) >= 40
    assert all(story["equal"] for story in stories)
    assert all(story["left"] == ["fold_0.h5"] for story in stories)
    assert all(0 <= story["redone"] <= story["kills"] * killing.BATCH for story in stories)
    assert any(story["redone"] for story in stories)
