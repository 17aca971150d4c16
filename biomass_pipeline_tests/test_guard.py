"""Tests have no network, and what they leave is found."""

import os
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from biomass_pipeline_tests import guard
from biomass_pipeline_tests.guard import MARK, Outside, gone, traces


@pytest.mark.parametrize("address", [("192.0.2.1", 9), ("2001:db8::1", 9)])
def test_no_socket_reaches_another_machine(address):
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as peer, pytest.raises(Outside, match="no network"):
        peer.connect(address)


def test_no_datagram_is_sent_to_another_machine():
    with socket.socket(type=socket.SOCK_DGRAM) as peer, pytest.raises(Outside):
        peer.sendto(b"", ("192.0.2.1", 9))


def test_no_name_is_asked_for_and_it_looks_like_a_machine_without_network():
    with pytest.raises(urllib.error.URLError, match=r"host\.example is not this machine"):
        urllib.request.urlopen("http://host.example/", timeout=1)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_reached(host):
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection((host, server.getsockname()[1]), timeout=5).close()


def test_temporary_files_lie_in_a_folder_that_goes_with_the_tests():
    assert Path(tempfile.gettempdir()).name.startswith("bt-")
    assert os.environ["TMPDIR"] == tempfile.gettempdir()


def test_a_process_that_is_left_is_found_whoever_its_parent_is_by_now():
    # The shell ends at once; what it started is nobody's child.
    command = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]
    words = ["/bin/sh", "-c", '"$@" & echo $!', "sh", *command]
    with subprocess.Popen(words, env={**os.environ, MARK: "one"}, stdout=subprocess.PIPE) as shell:
        pid = int(shell.stdout.readline())
        try:
            shell.stdout.readline()
            assert list(gone("one", seconds=0)) == [pid]
        finally:
            os.kill(pid, 9)
    assert gone("one") == {}


def test_what_is_left_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "ROOT", tmp_path)
    (tmp_path / "old").touch()
    before = guard.files_here()
    assert traces(before, tmp_path, "nobody") == []
    (tmp_path / "old").rename(tmp_path / "new")
    (tmp_path / ".hidden").touch()
    temporary = tmp_path / ".temporary"
    temporary.mkdir()
    (temporary / "biomass-photo-1").touch()
    assert traces(before, temporary, "nobody") == [
        "left in the temporary folder: biomass-photo-1",
        "written into the repository: new",
        "deleted from the repository: old",
    ]
