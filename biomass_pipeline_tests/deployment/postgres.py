"""A throwaway PostgreSQL cluster of Debian's packages, on 127.0.0.1."""

import grp
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import NullPool, create_engine, text

# Debian keeps them off the PATH; PostgreSQL refuses to run as root.
_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
_USERS = ("postgres", "nobody")
_NAME = "dagster"


def missing_postgres():
    """Why no cluster can be started here; empty when one can."""
    return "" if _program("postgres") else "there is no PostgreSQL (sh scripts/apt.sh installs it)"


def free_port():
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Cluster:
    """A server that this process started, and its files."""

    folder: Path
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_hex(8))
    server: subprocess.Popen | None = None

    @property
    def environment(self):
        """The variables that docker/dagster.yaml reads."""
        return {
            "DAGSTER_POSTGRES_HOST": "127.0.0.1",
            "DAGSTER_POSTGRES_PORT": str(self.port),
            "DAGSTER_POSTGRES_DB": _NAME,
            "DAGSTER_POSTGRES_USER": _NAME,
            "DAGSTER_POSTGRES_PASSWORD": self.password,
        }

    @property
    def url(self):
        """What SQLAlchemy connects to."""
        return f"postgresql+psycopg2://{_NAME}:{self.password}@127.0.0.1:{self.port}/{_NAME}"

    @property
    def n_connections(self):
        """How many there are to the database, without the one that asks."""
        asked = "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()"
        with create_engine(self.url, poolclass=NullPool).connect() as connection:
            return connection.execute(text(asked)).scalar()

    @property
    def log(self):
        """What the server printed."""
        return self.folder / "postgres.log"

    def create(self):
        """Make the files and the database, with a password as in a container."""
        word = self.folder / "password"
        word.write_text(self.password)
        self._own(word)
        options = ["-U", _NAME, "--pwfile", str(word), "--auth=scram-sha-256", "--encoding=UTF8"]
        self._run("initdb", "-D", str(self._data), *options, "--locale=C.UTF-8", "--no-sync")
        word.unlink()
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", _NAME, _NAME)

    def start(self):
        """Start the server and wait until it answers."""
        options = ["-D", str(self._data), "-p", str(self.port), "-h", "127.0.0.1"]
        with self.log.open("a") as log:
            self.server = subprocess.Popen(
                # Nothing here is worth waiting for a disk.
                [_program("postgres"), *options, "-k", "", "-F"],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **_as_user(),
            )
        self._wait()

    def stop(self, number=signal.SIGINT):
        """End the server: SIGINT as `docker stop` does, SIGQUIT as a crash would."""
        if self.server is None:
            return
        self.server.send_signal(number)
        try:
            self.server.wait(30)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait(10)
        self.server = None

    def restart(self, number=signal.SIGINT, *, down_s=0.0):
        """Stop the server, stay away, and start it again on the same port."""
        self.stop(number)
        time.sleep(down_s)
        self.start()

    @property
    def _data(self):
        return self.folder / "data"

    def _own(self, path):
        if os.geteuid() == 0:
            shutil.chown(path, _user(), _group())

    def _run(self, program, *arguments):
        done = subprocess.run(
            [_program(program), *arguments],
            env={**os.environ, "PGPASSWORD": self.password, "LC_ALL": "C.UTF-8"},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **_as_user(),
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"

    def _wait(self):
        deadline = time.monotonic() + 30
        question = [_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(question, check=False, timeout=10).returncode != 0:
            assert self.server.poll() is None, self.log.read_text()[-2000:]
            assert time.monotonic() < deadline, self.log.read_text()[-2000:]
            time.sleep(0.05)


@contextmanager
def started_cluster():
    """A new cluster, gone with all its files afterwards."""
    # Not in pytest's folder: only the user who runs the tests may look into that one.
    folder = Path(tempfile.mkdtemp(prefix="biomass-postgres-"))
    cluster = Cluster(folder)
    cluster._own(folder)
    try:
        cluster.create()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def _program(name):
    folder = str(_PROGRAMS[-1].parent) if _PROGRAMS else None
    return shutil.which(name, path=folder) or shutil.which(name)


def _user():
    known = {line.split(":")[0] for line in Path("/etc/passwd").read_text().splitlines()}
    return next(user for user in _USERS if user in known)


def _group():
    return grp.getgrgid(pwd.getpwnam(_user()).pw_gid).gr_name


def _as_user():
    if os.geteuid() != 0:
        return {}
    return {"user": _user(), "group": _group(), "extra_groups": []}
