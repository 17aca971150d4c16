"""The deployment as processes: the commands of the compose file against a real PostgreSQL.

    with started_cluster() as cluster, started_stack(folder, config, cluster) as stack:
        run = stack.client.launch("observe")
        stack.client.finished(run)

Everything that a container would be given (its command, its variables, dagster.yaml,
workspace.yaml) is read from docker/; only hosts, ports and folders are this machine's.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import yaml

from biomass_pipeline_tests.deployment.client import Client
from biomass_pipeline_tests.deployment.compose import DOCKER, REPOSITORY_ROOT, read_services
from biomass_pipeline_tests.deployment.postgres import Cluster, free_port

SERVICES = ("code", "webserver", "daemon")
_MARK = "BIOMASS_STACK"
_GRACE_S = 30


@dataclass
class Stack:
    """Code location, webserver and daemon of one project.

    Attributes:
        folder: Where the servers' settings, logs and compute logs go.
        config: The project's biomass.yaml.
        cluster: Its storage.
        root: Artefact folder; None: `artefacts` beside the configuration.
        settings: Merged over docker/dagster.yaml, section by section: shorter waits for a test.
        environment: More variables, of all services.
        mark: In the environment of every process, so that none can hide.
    """

    folder: Path
    config: Path
    cluster: Cluster
    root: Path | None = None
    settings: dict = field(default_factory=dict)
    environment: dict = field(default_factory=dict)
    mark: str = field(default_factory=lambda: uuid4().hex)
    grpc_port: int = field(default_factory=free_port)
    web_port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)

    @property
    def home(self):
        """DAGSTER_HOME, and the folder that the services run in."""
        return self.folder / "home"

    @property
    def client(self):
        """What a person does in the UI."""
        return Client(self.web_port, watch=self.check_alive)

    def prepare(self):
        """Write the settings and make the tables, as the service `migrate` does."""
        self.home.mkdir(parents=True, exist_ok=True)
        shutil.copy(DOCKER / "workspace.yaml", self.home)
        settings = yaml.safe_load((DOCKER / "dagster.yaml").read_text(encoding="utf-8"))
        for section, values in self.settings.items():
            settings[section] = {**settings.get(section, {}), **values}
        (self.home / "dagster.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        assert self.call("migrate") == 0, self.log("migrate")

    def start(self, *names):
        """Start services, all by default, and wait until the graph is loaded."""
        for name in names or SERVICES:
            assert name not in self.processes, f"{name} runs already"
            self.processes[name] = self._popen(name, self._service(name).command)
            if name == "code":
                self._wait_for_code()
        if "webserver" in self.processes:
            self.client.loaded()

    def stop(self, *names):
        """Ask services to end, all by default, then kill what is left of their process groups."""
        for name in names or tuple(reversed(SERVICES)):
            if process := self.processes.pop(name, None):
                end(process)

    def kill(self, name):
        """What a power cut does to a container: no warning, and all its processes at once."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def healthy(self, name):
        """Whether the health check of a service's container would pass."""
        process = self._popen(name, self._service(name).health, log=f"{name}-health")
        try:
            return process.wait(60) == 0
        finally:
            end(process)

    def call(self, name):
        """Run a service that ends by itself; gives its exit status."""
        process = self._popen(name, self._service(name).command)
        try:
            return process.wait(120)
        finally:
            end(process)

    def log(self, name, characters=4000):
        """The end of what a service printed."""
        return self._log(name).read_text(errors="replace")[-characters:]

    def check_alive(self):
        """Fail when a service that should run has ended."""
        for name, process in self.processes.items():
            assert process.poll() is None, f"{name} ended\n{self.log(name)}"

    def living(self):
        """Every process of this stack on the machine, whoever its parent is: {pid: command}."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and self._is_ours(entry):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(entry.name)] = command.decode(errors="replace")[:200]
        return found

    def gone(self, seconds=10):
        """What still lives after a while: helpers of Python's end a moment after their owner."""
        deadline = time.monotonic() + seconds
        while (left := self.living()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def _is_ours(self, entry):
        try:
            return f"{_MARK}={self.mark}".encode() in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            return False

    def _log(self, name):
        return self.folder / f"{name}.log"

    def _service(self, name):
        given = {
            "DAGSTER_POSTGRES_PASSWORD": self.cluster.password,
            "BIOMASS_PROJECT": str(self.config.parent),
        }
        return read_services(given)[name]

    def _popen(self, name, command, *, log=None):
        environment = {
            **os.environ,
            **self._service(name).environment,
            **self._place(name),
            **self.environment,
            _MARK: self.mark,
        }
        # The console scripts of the interpreter that runs us, as the image's PATH has them.
        environment["PATH"] = os.pathsep.join(
            [str(Path(sys.executable).parent), environment["PATH"]]
        )
        # Popen, not a shell's &: a server started that way ignores SIGTERM.
        with self._log(log or name).open("a") as file:
            return subprocess.Popen(
                [_program(command[0]), *command[1:]],
                env=environment,
                cwd=self.home,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _place(self, name):
        """Hosts, ports and folders of this machine in place of the containers'."""
        variables = {
            **self.cluster.environment,
            "DAGSTER_HOME": str(self.home),
            "DAGSTER_COMPUTE_LOGS": str(self.folder / "compute_logs"),
            "DAGSTER_CODE_HOST": "127.0.0.1",
            "DAGSTER_CODE_PORT": str(self.grpc_port),
            "DAGSTER_GRPC_HOST": "127.0.0.1",
            "DAGSTER_GRPC_PORT": str(self.grpc_port),
            "DAGSTER_WEBSERVER_HOST": "127.0.0.1",
            "DAGSTER_WEBSERVER_PORT": str(self.web_port),
            "PYTHONPATH": str(REPOSITORY_ROOT),
            "OMP_NUM_THREADS": "1",
        }
        if name == "code":
            variables["BIOMASS_CONFIG"] = str(self.config)
            variables["BIOMASS__ROOT"] = str(self.root or self.config.parent / "artefacts")
        return variables

    def _wait_for_code(self, seconds=120):
        deadline = time.monotonic() + seconds
        while not _listens(self.grpc_port):
            self.check_alive()
            assert time.monotonic() < deadline, self.log("code")
            time.sleep(0.1)


@contextmanager
def started_stack(folder, config, cluster, **options):
    """A stack with everything up; afterwards nothing of it is left, and that is checked.

    Args:
        folder: For its logs and settings.
        config: The project's biomass.yaml.
        cluster: From `started_cluster`.
        options: Fields of `Stack`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stack = Stack(folder, config, cluster, **options)
    try:
        stack.prepare()
        stack.start()
        yield stack
    finally:
        stack.stop()
        left = stack.gone()
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    assert not left, f"left behind: {left}"


def end(process):
    """Ask a process to end as an engine does, and kill what is left of its group."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _program(name):
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else name
