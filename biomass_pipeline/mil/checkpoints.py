"""Trained folds on disk: written whole, stamped, strangers refused."""

import json
import pickle
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray

from biomass_pipeline.errors import (
    MissingCheckpointError,
    StaleCheckpointError,
    UnreadableCheckpointError,
)
from biomass_pipeline.mil.calibration import InnerTable
from biomass_pipeline.mil.module import BagModule
from biomass_pipeline.mil.network import BagNetwork
from biomass_pipeline.mil.provenance import STAMP_NAME, seed_checkpoint
from biomass_pipeline.mil.targets import TargetSpec
from biomass_pipeline.whole import write_whole

_READ_ERRORS = (
    OSError,
    RuntimeError,
    EOFError,
    KeyError,
    ValueError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


@dataclass(frozen=True)
class TrainedNetwork:
    """One network of an ensemble.

    Attributes:
        network: On the CPU, in evaluation mode.
        inner: Its predictions of the training photos it did not learn from.
        best_epoch: The epoch whose weights it has, from 0.
    """

    network: BagNetwork
    inner: InnerTable
    best_epoch: int


@dataclass(frozen=True)
class TrainedFold:
    """An ensemble of networks, ready to predict.

    Attributes:
        members: The networks.
        targets: What they predict.
        fingerprint: What decided them.
        feature_dim: Width of the features they read.
        inner: The members' inner predictions together.
        scale: Shape (component,), fitted on `inner`; every prediction is multiplied by it.
    """

    members: tuple[TrainedNetwork, ...]
    targets: TargetSpec
    fingerprint: str
    feature_dim: int
    inner: InnerTable = field(repr=False)
    scale: NDArray[np.float64]

    @classmethod
    def assemble(
        cls, members: tuple[TrainedNetwork, ...], *, hyper: dict[str, Any], fingerprint: str
    ) -> Self:
        """Put an ensemble together and fit its scale on the inner predictions."""
        targets = TargetSpec.from_plain(dict(hyper["targets"]))
        inner = InnerTable.concatenate([member.inner for member in members])
        return cls(
            members=members,
            targets=targets,
            fingerprint=fingerprint,
            feature_dim=int(hyper["feature_dim"]),
            inner=inner,
            scale=inner.scale(targets),
        )


def save_network(
    trainer: pl.Trainer, path: Path, *, fingerprint: str, inner: InnerTable, best_epoch: int
) -> None:
    """Write a Lightning checkpoint that `torch.load(weights_only=True)` reads.

    It holds the weights, the scaler's and the labels' statistics, the configuration, the inner
    predictions and the fingerprint; the optimiser is left out. A checkpoint that is there is whole.
    """
    module = cast("BagModule", trainer.lightning_module)
    module.provenance = {
        "fingerprint": fingerprint,
        "best_epoch": best_epoch,
        "groups": [str(group) for group in inner.groups],
        "y": torch.from_numpy(inner.y),
        "components": torch.from_numpy(inner.components),
    }
    write_whole(path, lambda partial: trainer.save_checkpoint(partial, weights_only=True))


def load_network(path: Path, *, fingerprint: str) -> tuple[TrainedNetwork, dict[str, Any]]:
    """Read one network and the hyper-parameters it was built with.

    Raises:
        MissingCheckpointError: There is no such file.
        UnreadableCheckpointError: It is no checkpoint of this package.
        StaleCheckpointError: It was trained under another fingerprint.
    """
    if not path.is_file():
        raise MissingCheckpointError(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        provenance, hyper = content["biomass"], content["hyper_parameters"]
    except _READ_ERRORS as error:
        reason = f"{type(error).__name__} while reading"
        raise UnreadableCheckpointError(path, reason=reason) from error
    if provenance["fingerprint"] != fingerprint:
        raise StaleCheckpointError(path, found=provenance["fingerprint"], expected=fingerprint)
    # Building draws weights that are replaced at once: the caller's chance must not notice.
    with torch.random.fork_rng(devices=[]):
        module = BagModule(**hyper)
    module.load_state_dict(content["state_dict"])
    inner = InnerTable(
        groups=np.array(provenance["groups"], dtype=np.str_),
        y=provenance["y"].numpy(),
        components=provenance["components"].numpy(),
    )
    network = module.network.eval().requires_grad_(requires_grad=False)
    return TrainedNetwork(network, inner, provenance["best_epoch"]), hyper


def load_fold(folder: Path, fingerprint: str) -> TrainedFold:
    """Read a trained fold.

    Raises:
        MissingCheckpointError: It is not there, or its training was interrupted.
        UnreadableCheckpointError: A file is damaged.
        StaleCheckpointError: It was trained from other photos, labels, features or settings.
    """
    stamp_file = folder / STAMP_NAME
    if not stamp_file.is_file():
        raise MissingCheckpointError(folder)
    try:
        stamp = json.loads(stamp_file.read_text(encoding="utf-8"))
        found, n_seeds = str(stamp["fingerprint"]), int(stamp["n_seeds"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableCheckpointError(stamp_file, reason="it is no stamp") from error
    if found != fingerprint:
        raise StaleCheckpointError(folder, found=found, expected=fingerprint)
    loaded = [
        load_network(seed_checkpoint(folder, number), fingerprint=fingerprint)
        for number in range(n_seeds)
    ]
    members = tuple(member for member, _ in loaded)
    return TrainedFold.assemble(members, hyper=loaded[0][1], fingerprint=fingerprint)


def write_stamp(folder: Path, *, fingerprint: str, n_seeds: int) -> None:
    """Declare a fold complete: the last file to be written."""
    content = json.dumps({"fingerprint": fingerprint, "n_seeds": n_seeds})
    write_whole(folder / STAMP_NAME, lambda path: path.write_text(content, encoding="utf-8"))
