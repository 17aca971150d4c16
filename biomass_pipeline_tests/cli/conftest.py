"""The command line run in this process, on farms of tiny photos."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from biomass_pipeline.cli import main
from biomass_pipeline.cli.running import run_stale
from biomass_pipeline_tests.farm import Farm, build_farm

BACKBONE = {"name": "colour-texture"}


@dataclass
class Finished:
    """How a verb ended: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def flat(self):
        """Everything printed, in one line."""
        return " ".join((self.out + self.err).split())


@pytest.fixture
def biomass(monkeypatch, capsys):
    """Run `biomass ...` as the shell does; an error that escapes fails the test."""

    def run(*words):
        monkeypatch.setattr("sys.argv", ["biomass", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Finished(int(ended.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """Start in an empty folder, with no configuration named by the environment."""
    monkeypatch.delenv("BIOMASS_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def farm(monkeypatch, tmp_path):
    """A farm on which nothing ran yet; the current folder is its own."""
    folder = tmp_path / "farm"
    folder.mkdir()
    farm = build_farm(folder)
    farm.write(backbone=BACKBONE)
    monkeypatch.chdir(folder)
    return farm


@pytest.fixture(scope="session")
def finished_farm(tmp_path_factory):
    """A farm on which everything ran; not to be touched."""
    farm = build_farm(tmp_path_factory.mktemp("finished"))
    farm.write(backbone=BACKBONE)
    assert run_stale(farm.folder / "biomass.yaml", ()) == 0
    return farm


@pytest.fixture
def done(finished_farm, monkeypatch, tmp_path):
    """A copy of the finished farm, to be touched; the current folder is its own."""
    folder = tmp_path / "done"
    shutil.copytree(finished_farm.folder, folder)
    monkeypatch.chdir(folder)
    return Farm(Path(folder), dict(finished_farm.rows))
