"""A connection to a Ray cluster, somebody's or our own, and how much room there is in it.

Ray is imported here and nowhere else at the driver's side, and only when asked for.
"""

import importlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from biomass_pipeline.config import RayConfig
from biomass_pipeline.errors import (
    ClusterStartError,
    MissingRayError,
    SmallClusterError,
    UnreachableClusterError,
)
from biomass_pipeline.features.backbone import usable_cores
from biomass_pipeline.features.cluster_worker import sentence

# A cluster of our own holds this much of rows under way, and a little more for every worker.
STORE_BYTES = 512 * 2**20
STORE_BYTES_PER_ACTOR = 16 * 2**20
# Ray itself waits for minutes, and prints all the while.
CONNECT_S = 5.0
HEALTH_S = 20.0

_OURS = "local"
_CLIENT = "ray"
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    # Ray prints what its daemons say to the driver's stdout, where a program may be reading.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",
    # The behaviour that Ray warns about; only workers that asked for no GPU see a difference.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@dataclass(frozen=True)
class Seats:
    """How many workers fit, and what each takes."""

    actors: int
    cpus: float
    gpus: float

    @property
    def store_bytes(self) -> int:
        """What may lie in Ray's object store at once."""
        return STORE_BYTES + self.actors * STORE_BYTES_PER_ACTOR


@contextmanager
def cluster(spec: RayConfig) -> Iterator[tuple[Any, Seats]]:
    """Connect to the configured cluster, or start one here and stop it at the end.

    Where this process is connected already, that cluster is used and left as it is.

    Yields:
        The module `ray`, and the workers that fit the cluster.

    Raises:
        MissingRayError: Ray is not installed.
        UnreachableClusterError: No cluster answers at the address.
        ClusterStartError: None can be started here.
        SmallClusterError: The workers asked for do not fit.
    """
    with _quiet_logger():
        with _quiet_variables():
            ray = load_ray()
            ours = not ray.is_initialized()
            if ours:
                _connect(ray, spec)
        try:
            yield ray, seats(ray.nodes(), spec)
        finally:
            if ours:
                ray.shutdown()


def load_ray() -> Any:  # noqa: ANN401  # a module without types
    """The module `ray` with its data part.

    Raises:
        MissingRayError: It is not installed, or not whole.
    """
    try:
        importlib.import_module("ray.data")
        ray = importlib.import_module("ray")
    except ImportError as error:
        raise MissingRayError(str(error)) from error
    for handler in logging.getLogger("ray.data").handlers:
        # Ray's other handler writes to the session's own log file: that one is welcome. So are
        # those that are not Ray's: somebody wants to read them.
        if isinstance(handler, logging.StreamHandler) and _is_of_ray(handler):
            handler.setLevel(logging.CRITICAL + 1)
    return ray


def _is_of_ray(handler: logging.Handler) -> bool:
    return type(handler).__module__.partition(".")[0] == "ray"


def seats(nodes: Sequence[Mapping[str, Any]], spec: RayConfig) -> Seats:
    """How many workers the living nodes of a cluster hold; a worker cannot span two.

    Args:
        nodes: What `ray.nodes()` says.
        spec: How many are asked for, and what each takes. GPUs count where there are any.

    Raises:
        SmallClusterError: Not one fits, or fewer than asked for.
    """
    living = [node["Resources"] for node in nodes if node["Alive"]]
    cpus = [float(node.get("CPU", 0)) for node in living]
    gpus = [float(node.get("GPU", 0)) for node in living]
    gpus_per_actor = spec.gpus_per_actor if sum(gpus) else 0.0
    fits = sum(
        min(_times(spec.cpus_per_actor, cpu), _times_gpu(gpus_per_actor, gpu))
        for cpu, gpu in zip(cpus, gpus, strict=True)
    )
    asked = spec.actors or 1
    if fits < asked:
        needs = f"{spec.cpus_per_actor:g} CPUs and {gpus_per_actor:g} GPUs"
        found = f"{sum(cpus):g} CPUs and {sum(gpus):g} GPUs on {len(living)} machines"
        raise SmallClusterError(asked, needs=needs, fits=fits, found=found)
    return Seats(spec.actors or fits, spec.cpus_per_actor, gpus_per_actor)


def _times(share: float, whole: float) -> int:
    return int(whole / share + 1e-9)


def _times_gpu(share: float, n_gpus: float) -> int:
    """How many workers find their GPUs on a machine; a share of one is of one device."""
    if not share:
        return sys.maxsize
    if share < 1:
        return int(n_gpus) * _times(share, 1.0)
    return _times(share, n_gpus)


def _connect(ray: Any, spec: RayConfig) -> None:  # noqa: ANN401  # a module without types
    address = spec.address or os.environ.get("RAY_ADDRESS") or _OURS
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address == _OURS:
        options |= {
            "num_cpus": usable_cores(),
            "include_dashboard": False,
            "object_store_memory": Seats(usable_cores(), 1, 0).store_bytes,
        }
    else:
        _require_answer(address)
    try:
        with _stderr_closed(), _sigterm_kept():
            ray.init(address=address, **options)
    except Exception as error:  # Ray has no common base of what may go wrong here
        reason = sentence(error)
        if address == _OURS:
            raise ClusterStartError(reason) from error
        raise UnreachableClusterError(address, reason) from error


def _require_answer(address: str) -> None:
    """Raise within seconds if nobody, or something else than Ray, answers at an address.

    Ray's own look cannot be given a limit, and takes minutes where a cluster was and is no more.
    """
    parts = urlsplit(address if "://" in address else f"//{address}")
    if parts.hostname and parts.port:
        try:
            with socket.create_connection((parts.hostname, parts.port), timeout=CONNECT_S):
                pass
        except OSError as error:
            reason = str(error.strerror or error)
            raise UnreachableClusterError(address, reason) from error
    if parts.scheme == _CLIENT:
        return
    try:
        if not _is_ray(address):
            reason = f"there is no cluster of Ray {version('ray')}"
            raise UnreachableClusterError(address, reason)
    except subprocess.TimeoutExpired as error:
        reason = f"nothing there answers as Ray does within {HEALTH_S:g} s"
        raise UnreachableClusterError(address, reason) from error


def _is_ray(address: str) -> bool:
    """Whether a cluster of this version answers, asked by a process that can be given up."""
    look = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    done = subprocess.run(look, capture_output=True, timeout=HEALTH_S, check=False)  # noqa: S603  # our own interpreter
    return done.returncode == 0


@contextmanager
def _quiet_variables() -> Iterator[None]:
    """Keep Ray's messages in its log files: nothing of them helps the person at the terminal."""
    missing = {name: value for name, value in _QUIET.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)


@contextmanager
def _quiet_logger() -> Iterator[None]:
    """Let Ray's Python part log nothing but disasters, and put its level back."""
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _stderr_closed() -> Iterator[None]:
    """Let Ray's C++ part greet into the void: it writes past `sys.stderr`, whatever its level."""
    sys.stderr.flush()
    kept = os.dup(2)
    void = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(void, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(void)


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Put back the handler of SIGTERM, which Ray replaces by its own."""
    kept = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if kept is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, kept)
