"""Who reads a fold while it is made again sees the old whole or the new whole, never a mix."""

import threading
from contextlib import contextmanager

import h5py
import numpy as np
import pytest

from biomass_pipeline.store import cache as caches
from biomass_pipeline.store import open_cache, schema
from biomass_pipeline_tests.store.fold import STAMP, final_of, fold_of, folder_at, write

# Of different sizes, so that offsets of one read the wrong rows of the other.
FOLDS = {("a", "b"): fold_of(("a", "c1"), ("b", "c2")), ("z",): fold_of(("z", "c9"), tiles=3)}
READS = {"load": lambda cache: cache.load(), "memory_map": lambda cache: cache.memory_map()}


def check_whole(found):
    """Every row is its own photo's; the photos are one of the folds'."""
    contents = FOLDS[tuple(found.image_ids)]
    assert tuple(found.image_sha256) == contents.image_sha256
    for photo, sha in enumerate(found.image_sha256):
        bag = np.asarray(found.bag(photo))
        assert (bag[:, 0] == float(sha[1:])).all()
        assert bag[:, 1].tolist() == list(range(len(bag)))


@pytest.mark.parametrize("read", READS)
def test_a_fold_that_is_replaced_once_it_is_open_is_read_as_it_was(tmp_path, monkeypatch, read):
    folder = folder_at(tmp_path)
    old, new = FOLDS.values()
    write(folder, 0, old)
    opened = caches.opened

    @contextmanager
    def opened_then_replaced(path, fingerprint):
        with opened(path, fingerprint) as file:
            monkeypatch.setattr(caches, "opened", opened)
            write(folder, 0, new)
            yield file

    cache = open_cache(final_of(folder), STAMP.fingerprint)
    monkeypatch.setattr(caches, "opened", opened_then_replaced)
    found = READS[read](cache)
    assert found.image_ids == old.image_ids
    check_whole(found)
    assert READS[read](cache).image_ids == new.image_ids


def test_a_fold_that_is_replaced_while_it_is_checked_is_not_called_damaged(tmp_path, monkeypatch):
    folder = folder_at(tmp_path)
    old, new = FOLDS.values()
    write(folder, 0, old)
    confined = schema.check_confined

    def replaced(path, file):
        confined(path, file)
        monkeypatch.setattr(schema, "check_confined", confined)
        write(folder, 0, new)

    monkeypatch.setattr(schema, "check_confined", replaced)
    cache = open_cache(final_of(folder), STAMP.fingerprint)
    assert cache.load().image_ids == new.image_ids


def test_a_reader_beside_a_writer_never_meets_half_of_either(tmp_path):
    folder = folder_at(tmp_path)
    write(folder, 0, FOLDS["a", "b"])
    done = threading.Event()
    seen, problems = set(), []

    def look():
        cache = open_cache(final_of(folder), STAMP.fingerprint)
        while not done.is_set():
            for read in READS.values():
                try:
                    found = read(cache)
                    check_whole(found)
                    seen.add(tuple(found.image_ids))
                except Exception as error:  # noqa: BLE001  # whatever a mix would make of it
                    problems.append(error)

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for number in range(30):
            write(folder, 0, list(FOLDS.values())[number % 2])
    finally:
        done.set()
        reader.join()
    assert not problems, problems[:3]
    assert seen == set(FOLDS)


def test_an_opened_file_is_what_its_check_is_computed_of(tmp_path):
    folder = folder_at(tmp_path)
    write(folder, 0, FOLDS["a", "b"])
    with h5py.File(final_of(folder), "r", libver="latest") as file:
        final_of(folder).unlink()
        assert schema.is_sound(file)
