"""What decides a trained fold, as a fingerprint, and whether its files are there. No torch."""

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any

from biomass_pipeline.config import DataConfig, fingerprint

# Raise it when a change in this room changes results: folds trained before are then retrained.
CODE_VERSION = "2"

STAMP_NAME = "stamp.json"

# SHA-256, group, and the labels with the covariates.
Image = tuple[str, str, Sequence[float]]


def training_fingerprint(
    *,
    decides: Mapping[str, Any],
    data: DataConfig,
    extraction: str,
    images: Iterable[Image],
) -> str:
    """Hash all that decides a fold's network, or its ridge baseline.

    Args:
        decides: The settings, as `TrainingConfig.decides_network` or `decides_ridge` picks them.
        data: Only targets, weights, detection limits, identities and group columns
            count; where files lie and what they are called does not.
        extraction: Fingerprint of the features.
        images: (SHA-256, group, labels in the order of the targets, then covariates) of each
            training photo, in training order. Names are left out: renaming a photo changes nothing.
    """
    meaning = {
        "targets": [[t.name, t.weight, t.detection_limit] for t in data.targets],
        "identities": {name: list(parts) for name, parts in data.identities.items()},
        "group_columns": list(data.group_columns),
    }
    content = _content(images)
    return fingerprint(f"mil-{CODE_VERSION}", trainers(), decides, meaning, extraction, content)


def trainers() -> list[str]:
    """The releases of what trains: another one may give another network."""
    return [version("torch"), version("pytorch-lightning"), version("scikit-learn")]


def fold_content(images: Iterable[Image]) -> str:
    """One hash of what is learnt from the photos of one fold, in whatever order they come.

    Args:
        images: As for `training_fingerprint`.
    """
    return fingerprint(sorted(json.dumps(image) for image in _content(images)))


def _content(images: Iterable[Image]) -> list[list[object]]:
    return [[digest, group, [_known(v) for v in values]] for digest, group, values in images]


def _known(value: float) -> float | None:
    """JSON has no NaN: a missing covariate is null."""
    return float(value) if isfinite(value) else None


def seed_checkpoint(folder: Path, number: int) -> Path:
    """The checkpoint of one network of a fold's ensemble."""
    return folder / f"seed_{number}.ckpt"


def model_name(path: Path) -> str:
    """What a file of a fold's models is called, whatever decided them: `fold_0/seed_0.ckpt`."""
    return f"{path.parent.name}/{path.name}"


def checkpoint_exists(folder: Path, fingerprint: str, *, n_seeds: int) -> bool:
    """Whether a fold is completely trained under this fingerprint.

    The stamp is written after the last checkpoint, so a killed run does not count. No torch is
    imported: `biomass status` asks this.
    """
    stamp = _stamp(folder)
    return stamp.get("fingerprint") == fingerprint and _all_there(folder, n_seeds)


def networks_exist(folder: Path, fingerprint: str) -> bool:
    """Whether a fold has every network that its stamp declares, however many that are."""
    stamp = _stamp(folder)
    return stamp.get("fingerprint") == fingerprint and _all_there(folder, stamp["n_seeds"])


def _stamp(folder: Path) -> dict[str, Any]:
    try:
        stamp = json.loads((folder / STAMP_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _all_there(folder: Path, n_seeds: int) -> bool:
    return all(seed_checkpoint(folder, number).is_file() for number in range(n_seeds))
