"""The ridge on disk: one `.npz` of arrays and JSON, without a pickle."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import (
    MissingCheckpointError,
    StaleCheckpointError,
    UnreadableCheckpointError,
)
from biomass_pipeline.mil.calibration import InnerTable
from biomass_pipeline.mil.novelty import Novelty
from biomass_pipeline.mil.provenance import model_name
from biomass_pipeline.mil.ridge.machines import machine_from
from biomass_pipeline.mil.ridge.model import Member, RidgeModel
from biomass_pipeline.mil.ridge.scaling import BlockScale
from biomass_pipeline.mil.targets import TargetSpec
from biomass_pipeline.seal import in_archive, write_sealed

Arrays = Mapping[str, NDArray[Any]]

RIDGE_NAME = "ridge.npz"
# What a file that is damaged, or none of ours, may raise while it is read.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


def save_ridge(model: RidgeModel, folder: Path) -> Path:
    """Write `ridge.npz`, whole or not at all.

    Returns:
        The file.
    """
    path = folder / RIDGE_NAME
    arrays = {"facts": np.array(json.dumps(_facts(model)))}
    arrays |= model.inner.arrays() | model.novelty.arrays()
    for number, member in enumerate(model.members):
        held = member.scale.arrays() | member.machine.arrays()
        arrays |= _prefixed(_of_member(number), held)

    def write(partial: Path) -> None:
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        in_archive(partial)

    write_sealed(path, write, name=model_name(path))
    return path


def load_ridge(folder: Path, fingerprint: str) -> RidgeModel:
    """Read a fold's ridge.

    Raises:
        MissingCheckpointError: It is not there.
        UnreadableCheckpointError: The file is damaged.
        StaleCheckpointError: It was fitted from other photos, labels, features or settings.
    """
    path = folder / RIDGE_NAME
    if not path.is_file():
        raise MissingCheckpointError(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            arrays: dict[str, NDArray[Any]] = {name: content[name] for name in content.files}
        model = _model(json.loads(str(arrays["facts"])), arrays)
    except _DAMAGE as error:
        reason = f"{type(error).__name__} while reading"
        raise UnreadableCheckpointError(path, reason=reason) from error
    if model.fingerprint != fingerprint:
        raise StaleCheckpointError(path, found=model.fingerprint, expected=fingerprint)
    return model


def ridge_exists(folder: Path, fingerprint: str) -> bool:
    """Whether a readable ridge of this fingerprint is in the folder."""
    try:
        load_ridge(folder, fingerprint)
    except (MissingCheckpointError, UnreadableCheckpointError, StaleCheckpointError):
        return False
    return True


def _facts(model: RidgeModel) -> dict[str, Any]:
    return {
        "fingerprint": model.fingerprint,
        "targets": model.targets.to_plain(),
        "poolings": list(model.poolings),
        "members": [
            {"transform": one.transform, "relevance": one.relevance, "alpha": repr(one.alpha)}
            for one in model.members
        ],
    }


def _model(facts: dict[str, Any], arrays: Arrays) -> RidgeModel:
    return RidgeModel(
        poolings=tuple(facts["poolings"]),
        members=tuple(
            _member(fact, _stripped(_of_member(number), arrays))
            for number, fact in enumerate(facts["members"])
        ),
        targets=TargetSpec.from_plain(facts["targets"]),
        fingerprint=str(facts["fingerprint"]),
        novelty=Novelty.from_arrays(arrays),
        inner=InnerTable.from_arrays(arrays),
    )


def _member(fact: dict[str, Any], arrays: Arrays) -> Member:
    return Member(
        transform=str(fact["transform"]),
        relevance=float(fact["relevance"]),
        alpha=float(fact["alpha"]),  # as text: JSON has no NaN
        scale=BlockScale.from_arrays(arrays),
        machine=machine_from(arrays),
    )


def _of_member(number: int) -> str:
    return f"member_{number}_"


def _prefixed(prefix: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    return {prefix + name: values for name, values in arrays.items()}


def _stripped(prefix: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    return {
        name.removeprefix(prefix): values
        for name, values in arrays.items()
        if name.startswith(prefix)
    }
