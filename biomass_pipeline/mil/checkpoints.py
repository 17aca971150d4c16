"""Trained folds on disk: written whole, stamped, strangers refused."""

import io
import json
import logging
import pickle
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.errors import (
    MissingCheckpointError,
    StaleCheckpointError,
    UnreadableCheckpointError,
)
from biomass_pipeline.mil.calibration import InnerTable
from biomass_pipeline.mil.fitted import FittedNetwork, InnerOutputs
from biomass_pipeline.mil.network import BagNetwork, outputs_of
from biomass_pipeline.mil.provenance import STAMP_NAME, model_name, seed_checkpoint
from biomass_pipeline.mil.targets import TargetSpec
from biomass_pipeline.scoring.reconciliation import mint_weights, reconcile
from biomass_pipeline.seal import in_archive, sealed_json, write_sealed, write_text

Floats = NDArray[np.float64]

_log = logging.getLogger(__name__)

# What reading a damaged file, or one that is no checkpoint, may raise.
READ_ERRORS = (
    ArithmeticError,
    AttributeError,
    OSError,
    RuntimeError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)

# Where a Lightning module has the network.
_IN_MODULE = "network."
# A covariance needs as many photos.
_LEAST_ROWS = 2


@dataclass(frozen=True)
class TrainedFold:
    """An ensemble of networks, ready to predict.

    Attributes:
        members: The networks.
        targets: What is predicted in the end.
        outputs: What the networks put out: the same, or every target by itself.
        fingerprint: What decided them.
        feature_dim: Width of the features they read.
        covariates: Names of what they read beside the photo.
        inner: The members' inner predictions together: components, scaled.
        scale: Shape (component,), fitted on the inner predictions.
        reconciling: Weights that independent outputs are reconciled by, as `reconcile` takes them.
    """

    members: tuple[FittedNetwork, ...]
    targets: TargetSpec
    outputs: TargetSpec
    fingerprint: str
    feature_dim: int
    covariates: tuple[str, ...]
    inner: InnerTable = field(repr=False)
    scale: Floats
    reconciling: Floats = field(repr=False)

    @classmethod
    def assemble(cls, members: tuple[FittedNetwork, ...], *, fingerprint: str) -> Self:
        """Put an ensemble together; its scale and weights are fitted on the inner predictions."""
        hyper = members[0].hyper
        targets = TargetSpec.from_plain(dict(hyper["targets"]))
        training = TrainingConfig.model_validate(dict(hyper["training"]))
        outputs = outputs_of(targets, training)
        said = InnerOutputs.concatenate([member.inner for member in members])
        reconciling = _reconciling(said, targets, outputs=outputs, training=training)
        inner = InnerTable(
            image_ids=said.image_ids,
            groups=said.groups,
            y=said.y,
            components=_components(said.outputs, targets, outputs=outputs, weights=reconciling),
            ranks=_component_ranks(said.ranks, targets, outputs=outputs),
        )
        scale = inner.scale(targets)
        return cls(
            members=members,
            targets=targets,
            outputs=outputs,
            fingerprint=fingerprint,
            feature_dim=int(hyper["feature_dim"]),
            covariates=training.covariates,
            inner=inner.scaled(scale),
            scale=scale,
            reconciling=reconciling,
        )

    @property
    def additive(self) -> bool:
        """Whether a tile's share of a prediction is what the networks find on it."""
        return all(member.network.additive for member in self.members)

    def components_of(self, outputs: Floats) -> Floats:
        """What networks put out as components: reconciled where they are independent, and scaled.

        Args:
            outputs: Shape (photo, output), >= 0, in the targets' units.

        Returns:
            Shape (photo, component), >= 0.
        """
        found = _components(outputs, self.targets, outputs=self.outputs, weights=self.reconciling)
        return np.asarray(found * self.scale, dtype=np.float64)


def _reconciling(
    said: InnerOutputs, targets: TargetSpec, *, outputs: TargetSpec, training: TrainingConfig
) -> Floats:
    """The metric's weights, or the inverse covariance of the inner residuals (MinT)."""
    if outputs != targets and training.reconciliation == "mint":
        if len(said.y) >= _LEAST_ROWS:
            return mint_weights(said.y - said.outputs)
        _log.warning("one inner photo has no covariance: reconciling by the metric's weights")
    return np.array(targets.weights, dtype=np.float64)


def _components(
    predicted: Floats, targets: TargetSpec, *, outputs: TargetSpec, weights: Floats
) -> Floats:
    if outputs == targets:
        return predicted
    return reconcile(predicted, targets.matrix, weights=weights)


def _component_ranks(
    ranks: Floats | None, targets: TargetSpec, *, outputs: TargetSpec
) -> Floats | None:
    if ranks is None or outputs == targets:
        return ranks
    return ranks[:, list(targets.component_columns)]


def save_network(fitted: FittedNetwork, path: Path, *, fingerprint: str) -> None:
    """Write a checkpoint that Lightning reads, and `torch.load(weights_only=True)`.

    It holds the weights, the statistics of scaler and labels, the configuration, the inner
    predictions and the fingerprint; the optimiser is left out. A checkpoint that is there is whole,
    and equal networks give equal files.
    """
    content = {
        "state_dict": {f"{_IN_MODULE}{k}": v for k, v in fitted.network.state_dict().items()},
        "hyper_parameters": dict(fitted.hyper),
        "hparams_name": "kwargs",
        "pytorch-lightning_version": version("pytorch-lightning"),
        "epoch": fitted.best_epoch,
        "global_step": 0,
        "biomass": {
            "fingerprint": fingerprint,
            "best_epoch": fitted.best_epoch,
            "best_error": fitted.best_error,
            "inner": fitted.inner.to_plain(),
        },
    }
    # Written to a path, the archive would hold the name of the partial file.
    buffer = io.BytesIO()
    torch.save(content, buffer)

    def write(partial: Path) -> None:
        partial.write_bytes(buffer.getbuffer())
        in_archive(partial)

    write_sealed(path, write, name=model_name(path))


def load_network(path: Path, *, fingerprint: str) -> FittedNetwork:
    """Read one network.

    Raises:
        MissingCheckpointError: There is no such file.
        UnreadableCheckpointError: It is no checkpoint of this package.
        StaleCheckpointError: It was trained under another fingerprint.
    """
    if not path.is_file():
        raise MissingCheckpointError(path)
    try:
        content = _content(path)
        found = str(content["biomass"]["fingerprint"])
        if found == fingerprint:
            return _fitted(content)
    except READ_ERRORS as error:
        reason = f"{type(error).__name__} while reading"
        raise UnreadableCheckpointError(path, reason=reason) from error
    raise StaleCheckpointError(path, found=found, expected=fingerprint)


def _content(path: Path) -> dict[str, Any]:
    """What a file holds, after its checksums were proved: PyTorch itself does not look at them."""
    with zipfile.ZipFile(path) as archive:
        if (name := archive.testzip()) is not None:
            msg = f"{name} is damaged"
            raise zipfile.BadZipFile(msg)
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content


def _fitted(content: dict[str, Any]) -> FittedNetwork:
    provenance, hyper = content["biomass"], content["hyper_parameters"]
    # Built without Lightning, which takes longer to import than a prediction takes. Building draws
    # weights that are replaced at once: the caller's chance must not notice.
    with torch.random.fork_rng(devices=[]):
        network = BagNetwork.from_plain(**hyper)
    weights = content["state_dict"].items()
    network.load_state_dict({name.removeprefix(_IN_MODULE): value for name, value in weights})
    return FittedNetwork(
        network=network.eval().requires_grad_(requires_grad=False),
        inner=InnerOutputs.from_plain(provenance["inner"]),
        best_epoch=int(provenance["best_epoch"]),
        best_error=float(provenance["best_error"]),
        hyper=hyper,
    )


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
    except READ_ERRORS as error:
        raise UnreadableCheckpointError(stamp_file, reason="it is no stamp") from error
    if found != fingerprint:
        raise StaleCheckpointError(folder, found=found, expected=fingerprint)
    members = tuple(
        load_network(seed_checkpoint(folder, number), fingerprint=fingerprint)
        for number in range(n_seeds)
    )
    try:
        return TrainedFold.assemble(members, fingerprint=fingerprint)
    except READ_ERRORS as error:
        reason = f"its networks do not fit together ({type(error).__name__})"
        raise UnreadableCheckpointError(folder, reason=reason) from error


def write_stamp(folder: Path, *, fingerprint: str, n_seeds: int) -> None:
    """Declare a fold complete: the last file to be written."""
    content = sealed_json({"fingerprint": fingerprint, "n_seeds": n_seeds})
    write_text(folder / STAMP_NAME, content, name=model_name(folder / STAMP_NAME))
