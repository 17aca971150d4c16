"""What no test may do: reach the network, or leave a process, a temporary file or a file here."""

import errno
import ipaddress
import os
import shutil
import socket
import tempfile
import time
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from uuid import uuid4

import pytest

ROOT = Path(__file__).resolve().parents[1]
# In the environment of every process that a test starts, so that none can hide.
MARK = "BIOMASS_TESTS_MARK"
# Set where nobody edits or works meanwhile: what is left then is a test's, and fails the run.
ALONE = "BIOMASS_TESTS_ALONE"
# Helpers of Python's own that end with the process that asked for them.
_PYTHONS_OWN = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
_PATIENCE_S = 20
# What running anything leaves: not ours to keep account of.
_BUILT = {"__pycache__", "ci-artifacts", "data", "dist", "build", "site"}
# Temporary files of ours begin so; what libraries leave is cleared away without a word.
_OURS = "biomass"


class Outside(OSError):  # noqa: N818  # an OSError, as an unreachable host is
    """A test asked for a host that is not this machine."""

    def __init__(self, host):
        super().__init__(errno.ENETUNREACH, f"tests have no network: {host} is not this machine")


class Border:
    """Lets sockets of this process reach this machine only, while it is closed.

    Not by an audit hook: it would be called for each `sys.settrace` as well, and where two threads
    begin at once under coverage one of them is then refused.
    """

    def __init__(self):
        self._own = _own_addresses()

    @contextmanager
    def closed(self):
        """Put ourselves before what leaves the machine."""
        with pytest.MonkeyPatch.context() as patch:
            for name in ("connect", "connect_ex", "sendto"):
                patch.setattr(socket.socket, name, self._watched(getattr(socket.socket, name)))
            for name in ("getaddrinfo", "gethostbyname"):
                patch.setattr(socket, name, self._asked(getattr(socket, name)))
            yield

    def _watched(self, send):
        @wraps(send)
        def watched(peer, *args):
            # Of datagrams only sending leaves: a connection is a note of where to.
            silent = send.__name__ != "sendto" and peer.type == socket.SOCK_DGRAM
            if peer.family in {socket.AF_INET, socket.AF_INET6} and not silent:
                self._judge(args[-1][0])
            return send(peer, *args)

        return watched

    def _asked(self, ask):
        @wraps(ask)
        def asked(host, *args, **options):
            self._judge(host)
            return ask(host, *args, **options)

        return asked

    def _judge(self, host):
        name = host.decode() if isinstance(host, bytes) else host or "localhost"
        if not self._is_here(name):
            raise Outside(name)

    def _is_here(self, name):
        if name in {"localhost", socket.gethostname()} or name in self._own:
            return True
        try:
            address = ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            return False
        return address.is_loopback or address.is_unspecified


def _own_addresses():
    """The address that others see this machine under; asking sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        return {probe.getsockname()[0]}
    return set()


@contextmanager
def isolated():
    """Run tests behind a border, with a temporary folder of their own; yields what they left.

    The list is empty until the end, when it holds a sentence for each thing that is left.
    """
    left = []
    before = files_here() if os.environ.get(ALONE) else None
    kept = (tempfile.tempdir, os.environ.get("TMPDIR"))
    # Short: paths of sockets may have 107 characters. Open to be passed: PostgreSQL is no root.
    folder = Path(tempfile.mkdtemp(prefix="bt-"))
    folder.chmod(0o711)
    mark = uuid4().hex
    os.environ |= {MARK: mark, "TMPDIR": str(folder)}
    tempfile.tempdir = str(folder)
    try:
        with Border().closed():
            yield left
    finally:
        tempfile.tempdir = kept[0]
        for name, value in ((MARK, None), ("TMPDIR", kept[1])):
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        left += traces(before, folder, mark)
        shutil.rmtree(folder, ignore_errors=True)


def traces(before, folder, mark):
    """A sentence for each process, temporary file and file of the repository that is left."""
    said = [f"process {pid} still runs: {command}" for pid, command in gone(mark).items()]
    said += [f"left in the temporary folder: {path.name}" for path in folder.glob(f"{_OURS}*")]
    if before is not None:
        after = files_here()
        said += [f"written into the repository: {path}" for path in sorted(after - before)]
        said += [f"deleted from the repository: {path}" for path in sorted(before - after)]
    return said


def files_here():
    """The files of the repository, but what is hidden, built or data."""
    found = set()
    for place, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _BUILT]
        found |= {os.path.relpath(os.path.join(place, name), ROOT) for name in files}  # noqa: PTH118  # thousands of them
    return {path for path in found if not path.startswith(".")}


def gone(mark, *, seconds=_PATIENCE_S):
    """What still lives with a mark after a while: helpers end a moment after their owner."""
    deadline = time.monotonic() + seconds
    while (living := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return living


def _marked(mark):
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{MARK}={mark}".encode() not in (entry / "environ").read_bytes().split(b"\0"):
                continue
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if command and not any(name in command for name in _PYTHONS_OWN):
                found[int(entry.name)] = command[:200]
    return found
