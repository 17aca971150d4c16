"""What a program loads is set aside for good; what it makes later is still collected."""

import subprocess
import sys

import pytest

PROGRAM = """
import gc, weakref
from biomass_pipeline.startup import lasting

class Loop:
    def __init__(self): self.itself = self

def gone(loop):
    seen = weakref.ref(loop)
    del loop
    gc.collect()
    return seen() is None

with lasting():
    assert not gc.isenabled()
    loaded = weakref.ref(Loop())
assert gc.isenabled()
assert loaded() is not None
gc.collect()
assert loaded() is not None
assert gone(Loop())
with lasting():
    later = weakref.ref(Loop())
gc.collect()
assert later() is None
gc.disable()
with lasting():
    pass
assert not gc.isenabled()
"""


def test_what_is_loaded_first_lasts_and_nothing_else_does():
    run(PROGRAM)


def test_what_fails_to_load_leaves_collecting_on():
    run(
        """
import gc
from biomass_pipeline.startup import lasting
try:
    with lasting():
        raise ImportError
except ImportError:
    assert gc.isenabled()
"""
    )


@pytest.mark.parametrize("module", ["biomass_pipeline.definitions", "biomass_pipeline.cli.app"])
def test_a_program_ends_silently(module):
    """Libraries in C take what is never given back for leaked, and some of them say so."""
    assert run(f"import {module}") == ""


def run(program):
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
