"""Training one network, and judging it by training groups that it did not learn from."""

import logging
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray

from biomass_pipeline.config import DataConfig, TrainingConfig
from biomass_pipeline.mil.averaging import WeightAverage
from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.fitted import FittedNetwork, predict_inner
from biomass_pipeline.mil.logs import EpochLog, epoch_loggers
from biomass_pipeline.mil.module import BagModule, ShuffledBags, TrainingBatch
from biomass_pipeline.mil.network import outputs_of
from biomass_pipeline.mil.resuming import Resumption
from biomass_pipeline.mil.splits import part_of_seed
from biomass_pipeline.mil.stopping import InnerStop, OnEpoch
from biomass_pipeline.mil.surroundings import (
    deterministic,
    quiet_lightning,
    quiet_log_writers,
    seeded,
    torch_threads,
)
from biomass_pipeline.mil.targets import LabelledBags, TargetSpec

_log = logging.getLogger(__name__)

# Keeps the seeds of a fold's networks apart from those of a run with the next base seed.
_SEED_STRIDE = 1000

# Keeps what augmentations draw apart from the order of bags.
_AUGMENTATION_SEED = 2**31


@dataclass(frozen=True)
class Parts:
    """Which bags a network learns from, and which it is judged by; positions, rising.

    Attributes:
        learn: Shape (row,).
        inner: Shape (row,); of groups that are not among the others.
    """

    learn: NDArray[np.int64]
    inner: NDArray[np.int64]

    @classmethod
    def of_seed(cls, labelled: LabelledBags, training: TrainingConfig, *, number: int) -> "Parts":
        """The parts of one network of an ensemble.

        Raises:
            TooFewGroupsError: There is one group only.
        """
        inner = part_of_seed(
            labelled.groups,
            inner_fraction=training.inner_fraction,
            seed=training.seed,
            number=number,
        )
        return cls(np.setdiff1d(np.arange(len(labelled.groups)), inner), inner)


@dataclass(frozen=True)
class FitOptions:
    """What goes with training a network and never changes it.

    Attributes:
        where: Names the network in errors and logs.
        fingerprint: What decides it; a kept state of another one is not resumed.
        threads: PyTorch's threads on a CPU; None leaves them alone.
        logs: Folder of the epochs' logs, emptied first; None keeps none.
        loggers: Which: csv, tensorboard.
        resume: File of a state to go on from and to keep; None does neither.
        checkpoint_every_epochs: How often the state is kept.
        on_epoch: Told each epoch, from 0, and its weighted squared error of the inner photos in
            grams squared; may raise to end the training, but no StopIteration: Lightning takes
            that for the end of an epoch.
    """

    where: str = "the network"
    fingerprint: str = ""
    threads: int | None = None
    logs: Path | None = None
    loggers: tuple[str, ...] = ("csv", "tensorboard")
    resume: Path | None = None
    checkpoint_every_epochs: int = 10
    on_epoch: OnEpoch | None = None


def fit_network(  # noqa: PLR0913  # two that are learnt from, five that say how
    bags: BagBatch,
    labelled: LabelledBags,
    *,
    data: DataConfig,
    training: TrainingConfig,
    parts: Parts,
    number: int,
    options: FitOptions = FitOptions(),
) -> FittedNetwork:
    """Train one network on the bags' device.

    Args:
        bags: Raw; with their covariates if `training` names any.
        labelled: Their labels.
        data: The targets.
        training: How.
        parts: Which bags to learn from, and which to judge by.
        number: Which of an ensemble it is: with `training.seed` it decides all chance.
        options: What goes with it and never changes the result.

    Raises:
        TrainingDivergedError: A loss is not finite.
    """
    seed = training.seed * _SEED_STRIDE + number
    device = bags.mask.device
    with ExitStack() as stack:
        stack.enter_context(quiet_lightning())
        stack.enter_context(quiet_log_writers())
        stack.enter_context(torch_threads(options.threads))
        stack.enter_context(deterministic(wanted=training.deterministic))
        stack.enter_context(seeded(seed, device))
        module = _module(bags, labelled, data=data, training=training, parts=parts)
        module.where, module.image_ids = options.where, labelled.image_ids
        module.order.manual_seed(seed)
        module.chance.manual_seed(seed + _AUGMENTATION_SEED)
        inner = _batch(module, bags, labelled, parts.inner, scaled=True)
        stop = _fit(module, inner, _batch_to_learn(module, bags, labelled, parts), options=options)
        network = module.network.to(device).eval().requires_grad_(requires_grad=False)
        said = predict_inner(
            network,
            inner.bags,
            labelled.select(parts.inner),
            outputs=outputs_of(TargetSpec.from_config(data), training),
            seed=seed,
        )
    _log.info("trained %s, best epoch %d", options.where, stop.best_epoch)
    return FittedNetwork(
        network.cpu(), said, stop.best_epoch, stop.best_error, hyper=dict(module.hparams)
    )


def _fit(
    module: BagModule, inner: TrainingBatch, learn: TrainingBatch, *, options: FitOptions
) -> InnerStop:
    spec, device = module.training_config, module.device
    average = WeightAverage(module.network, spec)
    stop = InnerStop(inner, average=average, on_epoch=options.on_epoch)
    callbacks: list[pl.Callback] = [stop, EpochLog(stop)]
    if options.resume is not None:
        # Before the others: they start from what it restores.
        resumption = Resumption(
            options.resume,
            fingerprint=options.fingerprint,
            every_epochs=options.checkpoint_every_epochs,
            stop=stop,
        )
        callbacks.insert(0, resumption)
    accelerator = {"cuda": "gpu"}.get(device.type, device.type)
    trainer = pl.Trainer(
        max_epochs=spec.epochs,
        gradient_clip_val=spec.gradient_clip,
        accelerator=accelerator,
        devices=[device.index or 0] if accelerator == "gpu" else 1,
        callbacks=callbacks,
        logger=epoch_loggers(options.logs, options.loggers) or False,
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    loader = ShuffledBags(learn, batch_size=spec.batch_size, chance=module.order)
    trainer.fit(module, train_dataloaders=loader)
    return stop


def _module(
    bags: BagBatch,
    labelled: LabelledBags,
    *,
    data: DataConfig,
    training: TrainingConfig,
    parts: Parts,
) -> BagModule:
    """A fresh network with the statistics of the bags it learns from."""
    device = bags.mask.device
    module = BagModule(
        feature_dim=bags.features.shape[2],
        targets=TargetSpec.from_config(data).to_plain(),
        # Without the ridge: networks of one fingerprint are files of the same bytes.
        training=training.decides_network(),
    ).to(device)
    network = module.network
    chosen = bags.select(torch.from_numpy(parts.learn).to(device))
    y = labelled.y[parts.learn]
    network.scaler.fit(chosen, y[:, list(TargetSpec.from_config(data).component_columns)])
    network.labels.fit(y)
    network.build()
    if network.covariates is not None:
        network.covariates.fit(chosen.covariates)
    return module.to(device)


def _batch_to_learn(
    module: BagModule, bags: BagBatch, labelled: LabelledBags, parts: Parts
) -> TrainingBatch:
    """Scaled once for all epochs, unless raw features are augmented anew in each."""
    module.whole = _batch(module, bags, labelled, np.arange(len(bags)), scaled=False)
    raw = bool(module.training_config.augmentation)
    return _batch(module, bags, labelled, parts.learn, scaled=not raw)


def _batch(
    module: BagModule,
    bags: BagBatch,
    labelled: LabelledBags,
    rows: NDArray[np.int64],
    *,
    scaled: bool,
) -> TrainingBatch:
    index = torch.from_numpy(rows).to(bags.mask.device)
    chosen = bags if len(rows) == len(bags) else bags.select(index)
    network = module.network
    return TrainingBatch(
        network.scaled(chosen) if scaled else chosen,
        network.labels.truth(labelled.y[rows]),
        index,
    )
