"""What travels arrives as it was sent, and the ledger lets nothing be tried for ever."""

import sys
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.errors import MissingWeightsError
from biomass_pipeline.features import cluster_worker
from biomass_pipeline.features.cluster_worker import (
    ATTEMPTS,
    BUILDS,
    DEATHS,
    Job,
    Ledger,
    Verdict,
    Worker,
    deciding_versions,
    pack_block,
    pack_task,
    unpack_blocks,
)
from biomass_pipeline.features.engine import Block
from biomass_pipeline.features.photos import Photo, Reading
from biomass_pipeline.imaging import ReadLimits, decoder_identity


@given(st.integers(1, 9), st.integers(1, 3), st.integers(1, 5), st.integers(1, 200))
def test_a_block_arrives_whole_to_the_bit_in_pieces_of_whole_tiles(
    n_tiles, per_tile, width, piece_bytes
):
    rng = np.random.default_rng(n_tiles)
    bits = rng.integers(0, 2**32, (n_tiles * per_tile, width), np.uint32)
    sent = Block(4, rng.permutation(n_tiles), bits.view(np.float32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster_worker, "PIECE_BYTES", piece_bytes)
        packed = list(pack_block(sent))
    come = [block for table in packed for block in unpack_blocks(table)]
    assert {block.photo for block in come} == {4}
    assert np.concatenate([block.tiles for block in come]).tolist() == sent.tiles.tolist()
    assert np.concatenate([b.features for b in come]).tobytes() == sent.features.tobytes()
    small = [b for b in come if len(b.tiles) == 1 or b.features.nbytes <= piece_bytes]
    assert len(small) == len(come)


def test_a_refusal_arrives_with_its_reason():
    (table,) = pack_block(Block.refused(7, "torn"))
    (block,) = unpack_blocks(table)
    assert (block.photo, block.reason, len(block.tiles), len(block.features)) == (7, "torn", 0, 0)


class TestLedger:
    def test_a_task_may_be_begun_a_few_times_only(self):
        ledger = Ledger(2)
        assert [ledger.begin(5) for _ in range(ATTEMPTS + 1)] == [True] * ATTEMPTS + [False]
        assert ledger.begin(6)
        assert ledger.verdict() == Verdict()

    def test_death_after_death_with_nothing_done_between_ends_the_work(self):
        ledger = Ledger(1)
        for task in range(DEATHS):
            assert ledger.begin(task)
            assert ledger.begin(task)
        ledger.begin(DEATHS)
        assert not ledger.begin(DEATHS)
        assert "dies again and again" in ledger.verdict().trouble

    def test_a_finished_task_clears_the_count(self):
        ledger = Ledger(1)
        for task in range(3 * DEATHS):
            assert ledger.begin(task)
            assert ledger.begin(task)
            ledger.finish()

    def test_workers_that_never_join_end_the_work(self):
        ledger = Ledger(2)
        assert [ledger.enter() for _ in range(2 * BUILDS + 1)] == [True] * 2 * BUILDS + [False]
        assert "dies while it builds the backbone" in ledger.verdict().trouble

    def test_workers_that_compute_differently_end_the_work(self):
        ledger = Ledger(2)
        ledger.join("bf16", "a")
        ledger.join("bf16", "b")
        assert ledger.verdict() == Verdict()
        ledger.join("fp32", "c")
        assert ledger.verdict() == Verdict(
            "workers compute in bf16 and fp32: set `backbone.precision` to one", "c"
        )

    def test_the_first_reason_stands(self):
        ledger = Ledger(1)
        ledger.give_up("first", "a")
        ledger.give_up("second", "b")
        assert ledger.verdict() == Verdict("first", "a")
        assert not ledger.begin(0)


class Handle:
    """A ledger as Ray gives it, in this process."""

    def __init__(self, ledger):
        self.ledger = ledger

    def __getattr__(self, what):
        return SimpleNamespace(remote=getattr(self.ledger, what))


@pytest.fixture
def ledger(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(get=lambda answer: answer))
    return Ledger(1)


READING = Reading(
    open=lambda path: (_ for _ in ()).throw(FileNotFoundError(2, "No such file", path)),
    tile_px=4,
    limits=ReadLimits(max_pixels=100, stream_above_px=100),
    threads=1,
)
ANY = SimpleNamespace(batch_size=1, precision="fp32")
TASK = pack_task(3, [(8, Photo("a.png", "", np.zeros((1, 2), np.int32)), np.arange(1))])


def worker(ledger, build, versions=None):
    job = Job(READING, build, deciding_versions() if versions is None else versions)
    return Worker(job, Handle(ledger))


def test_a_worker_gives_blocks_under_the_drivers_positions(ledger):
    (table,) = worker(ledger, lambda: [ANY])(TASK)
    assert isinstance(table, pa.Table)
    (block,) = unpack_blocks(table)
    assert (block.photo, block.reason) == (8, "unreadable: No such file")


def raise_missing_weights():
    raise MissingWeightsError("dinov2", source="the hub", reason="no network")


def test_a_worker_without_backbone_begins_nothing_and_says_why(ledger):
    assert list(worker(ledger, raise_missing_weights)(TASK)) == []
    trouble = ledger.verdict().trouble
    assert trouble.startswith("it cannot build the backbone: The weights of dinov2 are not on")


def test_a_worker_with_other_packages_is_refused(ledger):
    other = deciding_versions() | {"torch": "0.1"}
    assert list(worker(ledger, lambda: [ANY], other)(TASK)) == []
    assert "its packages are not those of the machine that writes" in ledger.verdict().trouble
    assert "not 0.1" in ledger.verdict().trouble


def test_a_package_that_is_missing_has_no_version(monkeypatch):
    monkeypatch.setattr(cluster_worker, "DECIDING_PACKAGES", ("no-such-package",))
    assert deciding_versions()["no-such-package"] == ""


def test_the_decoder_counts_under_whatever_name_it_was_installed(ledger):
    assert decoder_identity() in deciding_versions().values()
    assert not {"pillow", "opencv-python-headless"} & set(deciding_versions())
    name = cluster_worker.DECODER
    other = deciding_versions() | {name: "opencv 0.1, pillow 0.1"}
    assert list(worker(ledger, lambda: [ANY], other)(TASK)) == []
    assert f"{name} is {decoder_identity()}, not opencv 0.1" in ledger.verdict().trouble


def test_a_fault_of_the_set_up_ends_the_work(ledger):
    broken = SimpleNamespace(precision="fp32")
    assert list(worker(ledger, lambda: [broken])(TASK)) == []
    assert ledger.verdict().trouble.startswith("it cannot embed: AttributeError")


def test_a_worker_that_may_not_enter_builds_nothing(ledger):
    ledger.give_up("over", "")
    built = []
    worker(ledger, lambda: built.append(1))
    assert built == []
