"""`ui` starts Dagster on this machine only, on the same project."""

import os
import subprocess

import pytest

from biomass_pipeline.cli.serving import server_of
from biomass_pipeline.project import Project


@pytest.fixture
def server(farm):
    project = Project.open(
        farm.folder / "biomass.yaml", overrides=("training.epochs=3",), environment={}
    )
    return server_of(project, port=4321, environment={"KEPT": "1"})


def test_it_listens_on_this_machine_only(server):
    command = list(server.command)
    assert command[command.index("-h") + 1] == "127.0.0.1"
    assert command[command.index("-p") + 1] == "4321"
    assert command[1:4] == ["-m", "dagster", "dev"]


def test_its_environment_opens_the_same_project(server, farm, monkeypatch):
    monkeypatch.setenv("BIOMASS_CONFIG", server.environment["BIOMASS_CONFIG"])
    project = Project.open(environment=server.environment)
    assert project.file == farm.folder / "biomass.yaml"
    assert project.config.training.epochs == 3
    assert server.environment["KEPT"] == "1"
    assert server.environment["DAGSTER_HOME"] == str(farm.folder / "artefacts" / "dagster")


def test_without_a_file_the_defaults_are_served():
    project = Project.open(overrides=("data.images=x",), environment={})
    server = server_of(project, port=1, environment={})
    assert "BIOMASS_CONFIG" not in server.environment
    assert server.environment["BIOMASS__DATA__IMAGES"] == "x"


class FakeRun:
    """Stands for the process: notes what was started, and ends as it is told to."""

    def __init__(self, ending):
        self.ending = ending
        self.started = None

    def __call__(self, command, *, env, check):
        self.started = (command, env, check)
        if isinstance(self.ending, BaseException):
            raise self.ending
        return subprocess.CompletedProcess(command, self.ending)


@pytest.mark.parametrize(("ending", "code"), [(0, 0), (3, 3), (KeyboardInterrupt(), 0)])
def test_the_verb_says_where_it_is_and_passes_on_how_it_ended(
    biomass, farm, monkeypatch, ending, code
):
    fake = FakeRun(ending)
    monkeypatch.setattr("biomass_pipeline.cli.serving.subprocess.run", fake)
    ended = biomass("ui", "--port", "5555")
    assert ended.code == code
    assert "http://127.0.0.1:5555" in ended.out
    command, environment, _ = fake.started
    assert "127.0.0.1" in command
    assert environment["PATH"] == os.environ["PATH"]
    assert (farm.folder / "artefacts" / "dagster" / "dagster.yaml").exists()
