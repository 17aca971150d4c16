"""Trained models: each file against its seal, loaded safely, and held against what trained it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from biomass_pipeline import mil
from biomass_pipeline.assets.lesson import NETWORK, RIDGE, content_state
from biomass_pipeline.audit.condition import RUN, Condition, State
from biomass_pipeline.audit.ground import Ground, damaged, sealed
from biomass_pipeline.errors import BiomassError
from biomass_pipeline.mil.provenance import model_name
from biomass_pipeline.store import FeatureFolder

_ASSETS = {"mil_checkpoint": NETWORK, "ridge_baseline": RIDGE}
_FILES = ("seed_*.ckpt", "stamp.json", "ridge.npz")
_RETRAIN = "delete it and run `biomass run`, which trains it again"


def audit_models(ground: Ground) -> Iterator[Condition]:
    """What says which models are the current ones, and every model, earlier ones included."""
    taught = _taught(ground)
    current: dict[Path, Condition] = {}
    for asset, kind in _ASSETS.items():
        for fold in ground.folds:
            found = ground.document(
                ground.layout.checkpoint_pointer(asset, fold), (asset, str(fold))
            )
            said = ground.documents.get(found.name)
            if said is None:
                yield found
                continue
            yield _fitting(ground, found, said, kind=kind, fold=fold, taught=taught)
            folder = ground.layout.checkpoint(str(said.get("fingerprint", "-")), fold)
            current |= {each.path: each.condition for each in _loaded(ground, folder, kind)}
    yield from _files(ground, current)


def _fitting(
    ground: Ground,
    found: Condition,
    said: Mapping[str, Any],
    *,
    kind: str,
    fold: int,
    taught: Mapping[str, str] | None,
) -> Condition:
    """The condition of a pointer, unless its models were trained by something else."""
    state = said.get("state")
    if found.state.is_fault or taught is None or not state:
        return found
    others = [other for other in ground.folds if other != fold]
    if state.get(kind) != _settings(ground, kind):
        what = "its model was trained under other settings than the configuration has now"
        return Condition(found.name, State.EARLIER, what, RUN)
    unlike = [f for f in others if state.get(f"{kind}, fold {f}") != taught[f"{kind}, fold {f}"]]
    if unlike or len(state) != 1 + len(others):
        listed = ", ".join(map(str, unlike)) or "other folds"
        what = f"its model was trained on other photos or labels than fold(s) {listed} hold now"
        return Condition(found.name, State.UNFIT, what, f"{RUN} again, or delete it first")
    return found


def _settings(ground: Ground, kind: str) -> str:
    training = ground.config.training
    decides = training.decides_network() if kind == NETWORK else training.decides_ridge()
    return mil.training_fingerprint(
        decides=decides, data=ground.config.data, extraction=ground.extraction, images=()
    )


def _taught(ground: Ground) -> dict[str, str] | None:
    """What each fold's photos and labels teach; None if not all of them can be read."""
    labels = ground.kept(ground.layout.table("label_table"))
    if labels is None:
        return None
    covariates = {NETWORK: ground.config.training.covariates, RIDGE: ()}
    known: dict[str, str] = {}
    for fold in ground.folds:
        try:
            photos = FeatureFolder(ground.layout).open(fold, ground.extraction).photos()
        except BiomassError:
            return None
        known |= content_state(
            covariates, fold, photos=photos, labels=labels, data=ground.config.data
        )
    return known


class _Loaded:
    """A file of the current models and its condition."""

    def __init__(self, path: Path, condition: Condition) -> None:
        self.path, self.condition = path, condition


def _loaded(ground: Ground, folder: Path, kind: str) -> Iterator[_Loaded]:
    """The files of a fold's current models; they must be there, and load."""
    names = ["ridge.npz"] if kind == RIDGE else ["stamp.json", *_networks(folder)]
    for name in names:
        path = folder / name
        if not path.is_file():
            what = "it was made and is gone"
            condition = Condition(ground.layout.name(path), State.MISSING, what, RUN)
        else:
            condition = _model(ground, path)
        yield _Loaded(path, condition)


def _networks(folder: Path) -> list[str]:
    try:
        n_seeds = int(json.loads((folder / "stamp.json").read_text(encoding="utf-8"))["n_seeds"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [f"seed_{number}.ckpt" for number in range(min(n_seeds, 1000))]


def _files(ground: Ground, current: dict[Path, Condition]) -> Iterator[Condition]:
    folder = ground.layout.root / "checkpoints"
    there = {
        path
        for pattern in _FILES
        for path in folder.glob(f"*/fold_*/{pattern}")
        if not path.name.endswith(".last.ckpt")
    }
    for path in sorted(there | current.keys()):
        yield current.get(path) or _earlier(ground, path)


def _earlier(ground: Ground, path: Path) -> Condition:
    """A file of models that are not the current ones; they are used again if they fit again."""
    found = _model(ground, path)
    if found.state.is_fault:
        return found
    return Condition(found.name, State.EARLIER, "its model is not the current one of its fold")


def _model(ground: Ground, path: Path) -> Condition:
    name = ground.layout.name(path)
    try:
        found = sealed(path, name, known_as=model_name(path), remedy=_RETRAIN)
        if not found.state.is_fault:
            _load(path)
    except (BiomassError, OSError) as error:
        return damaged(name, str(error), _RETRAIN)
    return found


def _load(path: Path) -> None:
    """Read a model as a prediction would, which runs nothing that a file says."""
    fingerprint = path.parent.parent.name
    if path.suffix == ".ckpt":
        from biomass_pipeline.mil.checkpoints import load_network  # noqa: PLC0415  # loads torch

        load_network(path, fingerprint=fingerprint)
    elif path.suffix == ".npz":
        mil.load_ridge(path.parent, fingerprint)
    else:
        _check_stamp(path, fingerprint)


def _check_stamp(path: Path, fingerprint: str) -> None:
    if not mil.networks_exist(path.parent, fingerprint):
        msg = "it does not say which networks are here, or not all of them are"
        raise OSError(msg)
