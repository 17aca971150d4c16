"""Damaged caches and checkpoints, and how the product reads each."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from biomass_pipeline.mil.checkpoints import load_fold, load_network, write_stamp
from biomass_pipeline.store import describe, open_cache
from biomass_pipeline_tests.fuzz.damage import damaged
from biomass_pipeline_tests.fuzz.trial import Broken, Item
from biomass_pipeline_tests.store.fold import STAMP

CHECKPOINT = "c" * 16


def read_cache(content: tuple[bytes, bytes], folder: Path) -> list[str]:
    """Read a fold's features in every way that there is.

    Args:
        content: The file, and what it was before it was damaged.
        folder: An empty one.

    Raises:
        Broken: It passes as whole, and holds other features.
    """
    data, before = content
    path, whole = folder / "fold_0.h5", folder / "whole.h5"
    path.write_bytes(data)
    whole.write_bytes(before)
    describe(path, STAMP.fingerprint)
    cache = open_cache(path, STAMP.fingerprint)
    cache.stamp(), cache.quarantined(), cache.broken_photos(), cache.bag(0)
    found, mapped = cache.load(), cache.memory_map()
    if not np.array_equal(found.features, mapped.features, equal_nan=True):
        raise Broken("the memory map holds other features")
    cache.check_whole()
    truth = open_cache(whole, STAMP.fingerprint).load()
    same = found.image_ids == truth.image_ids and all(
        np.array_equal(getattr(found, name), getattr(truth, name))
        for name in ("features", "coords", "area_weight", "offsets")
    )
    if not same:
        raise Broken("it passes as whole, and is not what was written")
    return ["read"]


def damaged_files(number: int, *, seed: int, source: bytes, other: bytes) -> Iterator[Item]:
    """A file damaged by chance, beside what it was."""
    for index in range(number):
        way, data = damaged(source, other, np.random.default_rng([seed, index]))
        yield Item(f"{index}: {way}, seed {seed}", (data, source))


def read_checkpoint(content: tuple[bytes, bytes | None], folder: Path) -> list[str]:
    """Read a network, and make the ensemble of it that predicts.

    Args:
        content: The file, and what it was before it was damaged, if its weights must be those.
        folder: An empty one.

    Raises:
        Broken: It is read with other weights.
    """
    data, before = content
    path = folder / "seed_0.ckpt"
    path.write_bytes(data)
    write_stamp(folder, fingerprint=CHECKPOINT, n_seeds=1)
    (fitted,) = load_fold(folder, CHECKPOINT).members
    if before is not None:
        path.write_bytes(before)
        truth = load_network(path, fingerprint=CHECKPOINT).network.state_dict()
        found = fitted.network.state_dict()
        if not all(torch.equal(found[name], truth[name]) for name in truth):
            raise Broken("it is read with other weights")
    return ["read"]


def changed_checkpoints(number: int, *, seed: int, source: bytes) -> Iterator[Item]:
    """Whole checkpoints in which one thing is another, or is left out."""
    for index in range(number):
        chance = np.random.default_rng([seed, index])
        content = torch.load(io.BytesIO(source), weights_only=True)
        path = _change(content, chance)
        buffer = io.BytesIO()
        torch.save(content, buffer)
        yield Item(f"{index}: {path}, seed {seed}", (buffer.getvalue(), None))


def _change(content: Any, chance: np.random.Generator) -> str:
    """Walk down to some leaf or branch, and put something else there."""
    path: list[str] = []
    while True:
        keys = list(content) if isinstance(content, dict) else list(range(len(content)))
        key = keys[chance.integers(len(keys))]
        path.append(str(key))
        inner = content[key]
        if isinstance(inner, (dict, list)) and len(inner) and chance.random() < 0.8:
            content = inner
            continue
        odd = (None, "", -1, 0, 1.5, float("nan"), [], {}, torch.zeros(3), 10**6, "x" * 99)
        content[key] = odd[chance.integers(len(odd))]
        return "/".join(path)
