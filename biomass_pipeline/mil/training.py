"""Training one fold: an ensemble of networks, each stopped on training groups it did not see."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray

from biomass_pipeline.errors import (
    MissingCheckpointError,
    StaleCheckpointError,
    UnreadableCheckpointError,
)
from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.calibration import InnerTable
from biomass_pipeline.mil.checkpoints import (
    TrainedFold,
    load_fold,
    load_network,
    save_network,
    write_stamp,
)
from biomass_pipeline.mil.module import BagModule, InnerStop, ShuffledBags, TrainingBatch
from biomass_pipeline.mil.provenance import seed_checkpoint
from biomass_pipeline.mil.splits import part_of_seed
from biomass_pipeline.mil.targets import LabelledBags, Recipe, TargetSpec, align_labels
from biomass_pipeline.store.bags import FeatureSet

_log = logging.getLogger(__name__)

# Keeps the seeds of a fold's networks apart from those of a run with the next base seed.
_SEED_STRIDE = 1000


def train_fold(
    train: FeatureSet,
    labels: pd.DataFrame,
    *,
    recipe: Recipe,
    checkpoint_folder: Path,
    device: str = "cpu",
    threads: int | None = None,
) -> TrainedFold:
    """Train a fold's ensemble and write `seed_<n>.ckpt` and a stamp into its folder.

    Networks that an interrupted run left complete under the same fingerprint are kept.

    Args:
        train: Every photo to learn from; none of the held-out fold.
        labels: Columns `image_id`, `group` and the targets; rows of other photos are ignored.
        recipe: What decides the result.
        checkpoint_folder: Where this fold's files go; made if missing.
        device: As PyTorch names it: cpu, cuda, cuda:1, mps.
        threads: PyTorch's threads while training; None leaves them alone.

    Returns:
        What `load_fold` would read.

    Raises:
        UnlabelledBagError: A photo has no label.
        EmptyBagError: A photo has no tile.
        TooFewGroupsError: There is one training group only.
        TrainingDivergedError: A loss is not finite.
    """
    targets = TargetSpec.from_config(recipe.data)
    labelled = align_labels(labels, train.image_ids, names=targets.names)
    bags = BagBatch.from_feature_set(train, device=device)
    checkpoint_folder.mkdir(parents=True, exist_ok=True)
    with _quiet_lightning(), _torch_threads(threads):
        for number in range(recipe.training.n_seeds):
            path = seed_checkpoint(checkpoint_folder, number)
            if not _is_trained(path, recipe.fingerprint):
                _train_network(bags, labelled, recipe=recipe, path=path, number=number)
    write_stamp(checkpoint_folder, fingerprint=recipe.fingerprint, n_seeds=recipe.training.n_seeds)
    return load_fold(checkpoint_folder, recipe.fingerprint)


def _train_network(
    bags: BagBatch, labelled: LabelledBags, *, recipe: Recipe, path: Path, number: int
) -> None:
    spec = recipe.training
    inner_rows = part_of_seed(
        labelled.groups, inner_fraction=spec.inner_fraction, seed=spec.seed, number=number
    )
    learn_rows = np.setdiff1d(np.arange(len(bags)), inner_rows)
    seed = spec.seed * _SEED_STRIDE + number
    with _chance(seed, bags.mask.device):
        module = _module(bags, labelled, recipe=recipe, rows=learn_rows)
        module.where = f"{path.parent.name}, network {number}"
        learn = _batch(module, bags, labelled, learn_rows)
        inner = _batch(module, bags, labelled, inner_rows)
        stop = InnerStop(inner, patience=spec.patience)
        trainer = _trainer(module, stop, device=bags.mask.device)
        chance = torch.Generator().manual_seed(seed)
        loader = ShuffledBags(learn, batch_size=spec.batch_size, chance=chance)
        trainer.fit(module, train_dataloaders=loader)
    module.network.eval()
    predicted = module.network.to(bags.mask.device).components(inner.bags)
    table = InnerTable(
        groups=labelled.groups[inner_rows],
        y=labelled.y[inner_rows],
        components=predicted.double().cpu().numpy(),
    )
    save_network(
        trainer, path, fingerprint=recipe.fingerprint, inner=table, best_epoch=stop.best_epoch
    )
    _log.info("trained %s, best epoch %d", module.where, stop.best_epoch)


def _module(
    bags: BagBatch, labelled: LabelledBags, *, recipe: Recipe, rows: NDArray[np.int64]
) -> BagModule:
    module = BagModule(
        feature_dim=bags.features.shape[2],
        targets=TargetSpec.from_config(recipe.data).to_plain(),
        training=recipe.training.model_dump(mode="json"),
    ).to(bags.mask.device)
    module.image_ids = labelled.image_ids
    network = module.network
    network.scaler.fit(bags.select(torch.from_numpy(rows).to(bags.mask.device)))
    network.labels.fit(labelled.y[rows])
    network.build()
    return module.to(bags.mask.device)


def _batch(
    module: BagModule, bags: BagBatch, labelled: LabelledBags, rows: NDArray[np.int64]
) -> TrainingBatch:
    index = torch.from_numpy(rows).to(bags.mask.device)
    chosen = bags.select(index)
    network = module.network
    scaled = chosen.with_features(network.scaler(chosen))
    return TrainingBatch(scaled, network.labels.truth(labelled.y[rows]), index)


def _trainer(module: BagModule, stop: InnerStop, *, device: torch.device) -> pl.Trainer:
    spec = module.training_config
    accelerator = {"cuda": "gpu"}.get(device.type, device.type)
    return pl.Trainer(
        max_epochs=spec.epochs,
        gradient_clip_val=spec.gradient_clip,
        accelerator=accelerator,
        devices=[device.index or 0] if accelerator == "gpu" else 1,
        callbacks=[stop],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def _is_trained(path: Path, fingerprint: str) -> bool:
    try:
        load_network(path, fingerprint=fingerprint)
    except (MissingCheckpointError, UnreadableCheckpointError, StaleCheckpointError):
        return False
    return True


@contextmanager
def _chance(seed: int, device: torch.device) -> Iterator[None]:
    """Seed PyTorch for initial weights and dropout, and give the caller's state back after."""
    devices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Silence Lightning's notices about hardware, and its use of what torch will drop.

    Lightning 2.6 asks `isinstance(treespec, LeafSpec)`, which torch 2.15 calls deprecated in a
    FutureWarning at every fit. It is Lightning's to mend; other categories of warning stay.
    """
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings(action="ignore", category=FutureWarning))
        logger = logging.getLogger("pytorch_lightning")
        stack.callback(logger.setLevel, logger.level)
        logger.setLevel(logging.WARNING)
        yield


@contextmanager
def _torch_threads(threads: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
