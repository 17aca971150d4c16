import ctypes
import subprocess
import sys

import pytest

from biomass_pipeline.imaging import keep_freed_memory


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's setting")
def test_glibc_takes_the_setting():
    code = "from biomass_pipeline.imaging import keep_freed_memory as k; raise SystemExit(not k())"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_glibc_nothing_happens(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not keep_freed_memory()
