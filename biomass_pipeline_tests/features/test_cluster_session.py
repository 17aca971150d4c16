"""A cluster is reached or refused within seconds, and only our own is stopped."""

import logging
import os
import signal
import socket
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import RayConfig
from biomass_pipeline.errors import (
    ClusterStartError,
    MissingRayError,
    SmallClusterError,
    UnreachableClusterError,
)
from biomass_pipeline.features import cluster_session
from biomass_pipeline.features.cluster_session import Seats, cluster, load_ray, seats


def node(cpus, gpus=0, *, alive=True):
    return {"Alive": alive, "Resources": {"CPU": float(cpus), "GPU": float(gpus), "memory": 1.0}}


class TestSeats:
    @pytest.mark.parametrize(
        ("nodes", "spec", "expected"),
        [
            ([node(4)], RayConfig(), Seats(4, 1, 0)),
            ([node(4), node(3)], RayConfig(cpus_per_actor=2), Seats(3, 2, 0)),
            ([node(2)], RayConfig(cpus_per_actor=0.1), Seats(20, 0.1, 0)),
            ([node(64, 8)], RayConfig(), Seats(8, 1, 1)),
            ([node(64, 8)], RayConfig(gpus_per_actor=0.5), Seats(16, 1, 0.5)),
            # Two fifths fit a device twice, and no worker spans two devices.
            ([node(64, 2)], RayConfig(gpus_per_actor=0.4), Seats(4, 1, 0.4)),
            ([node(4, 8)], RayConfig(), Seats(4, 1, 1)),
            ([node(64, 8), node(64)], RayConfig(), Seats(8, 1, 1)),
            ([node(64, 8)], RayConfig(actors=2), Seats(2, 1, 1)),
            ([node(4), node(9, alive=False)], RayConfig(), Seats(4, 1, 0)),
        ],
    )
    def test_a_worker_sits_where_its_cpus_and_gpus_are(self, nodes, spec, expected):
        assert seats(nodes, spec) == expected

    @given(st.lists(st.integers(1, 9), min_size=1), st.integers(1, 9))
    def test_all_that_fit_fit_a_machine_each(self, cpus, cpus_per_actor):
        spec = RayConfig(cpus_per_actor=cpus_per_actor)
        fitting = sum(n // cpus_per_actor for n in cpus)
        if fitting:
            assert seats([node(n) for n in cpus], spec).actors == fitting
        else:
            with pytest.raises(SmallClusterError):
                seats([node(n) for n in cpus], spec)

    def test_too_few_is_an_error_with_what_there_is(self):
        with pytest.raises(
            SmallClusterError,
            match=r"^3 Ray workers with 2 CPUs and 1 GPUs each were asked for, but the cluster has "
            r"4 CPUs and 3 GPUs on 1 machines and holds 2\. Lower",
        ):
            seats([node(4, 3)], RayConfig(actors=3, cpus_per_actor=2))


def test_a_share_of_several_gpus_is_refused_by_the_configuration():
    with pytest.raises(ValueError, match="above one, Ray gives whole ones only"):
        RayConfig(gpus_per_actor=1.5)


class FakeRay:
    """Remembers how it was started, and whether it was stopped."""

    def __init__(self, *, running=False, fails=None):
        self.running = running
        self.fails = fails
        self.started = []

    def is_initialized(self):
        return self.running

    def init(self, **options):
        signal.signal(signal.SIGTERM, lambda *_: None)
        if self.fails:
            raise self.fails
        self.started.append(options)
        self.running = True

    def nodes(self):
        return [node(2)]

    def shutdown(self):
        self.running = False


@pytest.fixture
def install(monkeypatch):
    def put(ray):
        monkeypatch.setitem(sys.modules, "ray", ray)
        monkeypatch.setitem(sys.modules, "ray.data", SimpleNamespace())
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        monkeypatch.setattr(cluster_session, "_is_ray", lambda address: True)
        return ray

    return put


def test_rays_own_words_are_silenced_and_nobody_elses():
    pytest.importorskip("ray.data")
    logger, mine = logging.getLogger("ray.data"), logging.StreamHandler()
    logger.addHandler(mine)
    try:
        load_ray()
        loud = [handler for handler in logger.handlers if handler.level <= logging.CRITICAL]
        assert mine in loud
        assert not [handler for handler in loud if type(handler).__name__ == "PlainRayHandler"]
    finally:
        logger.removeHandler(mine)


def test_our_own_cluster_is_small_quiet_and_stopped(install):
    ray, handler = install(FakeRay()), signal.getsignal(signal.SIGTERM)
    before, level = dict(os.environ), logging.getLogger("ray").level
    with cluster(RayConfig()) as (module, room):
        assert module is ray
        assert room == Seats(2, 1, 0)
        assert signal.getsignal(signal.SIGTERM) is handler
        assert dict(os.environ) == before
    assert logging.getLogger("ray").level == level
    (options,) = ray.started
    assert options["address"] == "local"
    assert options["include_dashboard"] is False
    assert options["log_to_driver"] is False
    assert options["object_store_memory"] < 2**31
    assert not ray.running


def test_it_is_stopped_when_too_small_or_when_the_work_fails(install):
    ray = install(FakeRay())
    with pytest.raises(SmallClusterError), cluster(RayConfig(actors=9)):
        pass
    assert not ray.running
    with pytest.raises(KeyError), cluster(RayConfig()):
        raise KeyError
    assert not ray.running


def test_a_cluster_that_this_process_uses_already_is_left_running(install):
    ray = install(FakeRay(running=True))
    with cluster(RayConfig(address="192.0.2.1:6379")):
        pass
    assert ray.started == []
    assert ray.running


@pytest.mark.parametrize("where", ["configuration", "environment"])
def test_a_running_cluster_is_joined_as_it_is(install, monkeypatch, where):
    ray = install(FakeRay())
    if where == "environment":
        monkeypatch.setenv("RAY_ADDRESS", "auto")
    with cluster(RayConfig(address="auto" if where == "configuration" else None)):
        (options,) = ray.started
    assert options["address"] == "auto"
    assert "object_store_memory" not in options


def test_nobody_at_the_address_is_an_error_within_seconds(install):
    install(FakeRay(fails=AssertionError("not to be asked")))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
        with (
            pytest.raises(
                UnreachableClusterError,
                match=rf"^No Ray cluster can be used at {address}: Connection refused\. Start one",
            ),
            cluster(RayConfig(address=address)),
        ):
            pass


def test_a_cluster_that_is_no_more_is_an_error(install, monkeypatch):
    install(FakeRay(fails=AssertionError("not to be asked")))
    monkeypatch.setattr(cluster_session, "_is_ray", lambda address: address != "auto")
    with (
        pytest.raises(UnreachableClusterError, match=r"at auto: there is no cluster of Ray \d"),
        cluster(RayConfig(address="auto")),
    ):
        pass


@pytest.mark.slow
def test_something_else_at_the_address_is_an_error_within_seconds(install, monkeypatch):
    look = cluster_session._is_ray
    install(FakeRay(fails=AssertionError("not to be asked")))
    monkeypatch.setattr(cluster_session, "_is_ray", look)
    monkeypatch.setattr(cluster_session, "HEALTH_S", 4.0)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        with (
            pytest.raises(
                UnreachableClusterError, match=r"nothing there answers as Ray does within 4 s"
            ),
            cluster(RayConfig(address=address)),
        ):
            pass


def test_what_ray_says_against_an_address_is_one_sentence(install):
    install(FakeRay(fails=ConnectionError("Could not find any.\nLong story.")))
    with (
        pytest.raises(
            UnreachableClusterError,
            match=r"at auto: ConnectionError: Could not find any\. Start one",
        ),
        cluster(RayConfig(address="auto")),
    ):
        pass


def test_a_cluster_that_cannot_start_here_is_an_error_and_leaves_nothing_changed(install):
    install(FakeRay(fails=ValueError("no room\nin shm")))
    before = signal.getsignal(signal.SIGTERM), logging.getLogger("ray").level
    with (
        pytest.raises(
            ClusterStartError,
            match=r"^Ray cannot start a cluster on this machine: ValueError: no room\. ",
        ),
        cluster(RayConfig()),
    ):
        pass
    assert (signal.getsignal(signal.SIGTERM), logging.getLogger("ray").level) == before


def test_without_ray_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(
            MissingRayError,
            match=r"but Ray cannot be imported \(.*ray.*\)\. Install it with `pip install "
            r'"biomass-pipeline\[ray\]"`',
        ),
        cluster(RayConfig()),
    ):
        pass
