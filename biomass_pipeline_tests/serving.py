"""Servers in processes of their own: started for a test, watched while it waits, ended by id."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import biomass_pipeline

REPOSITORY_ROOT = Path(biomass_pipeline.__file__).resolve().parents[1]
COMMAND_LINE = "from biomass_pipeline.cli import main; main()"

LOCATIONS = """{workspaceOrError {... on Workspace {locationEntries {
  name loadStatus locationOrLoadError {__typename ... on PythonError {message}}}}}}"""


@dataclass
class Servers:
    """Processes that serve one port, and what they wrote."""

    port: int
    processes: list[subprocess.Popen]
    log: Path

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def told(self):
        """The end of what they wrote."""
        return self.log.read_text()[-3000:]

    def ask(self, query, **variables):
        """Dagster's answer to one GraphQL query; its errors fail the test."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(  # noqa: S310  # our own server
            f"{self.url}/graphql", body, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  # as above
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def location(self):
        """The code location once it is loaded, else None."""
        try:
            found = self.ask(LOCATIONS)["workspaceOrError"]["locationEntries"]
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None
        loaded = [entry for entry in found if entry["loadStatus"] == "LOADED"]
        return loaded[0] if loaded else None

    def wait(self, until, *, seconds, what):
        """Ask until there is an answer; a dead server or too long a wait fails the test."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = until()
            if found:
                return found
            for process in self.processes:
                if process.poll() is not None:
                    pytest.fail(f"{process.args} ended\n{self.told()}")
            time.sleep(0.2)
        return pytest.fail(f"no {what} within {seconds} s\n{self.told()}")


@contextmanager
def served(folder, *commands, port, environment):
    """Start servers, each in a process group of its own, and end just these."""
    log = folder / "servers.log"
    processes = []
    with log.open("w") as file:
        try:
            for command in commands:
                processes.append(  # noqa: PERF401  # those that started must be ended
                    subprocess.Popen(  # our own interpreter
                        [sys.executable, *command],
                        env={**os.environ, **environment, "OMP_NUM_THREADS": "1"},
                        cwd=REPOSITORY_ROOT,
                        stdout=file,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
            yield Servers(port, processes, log)
        finally:
            for process in processes:
                end(process)


def end(process):
    """Interrupt a process group, and kill what is left of it."""
    for number, seconds in ((signal.SIGINT, 20), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    process.wait(5)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
