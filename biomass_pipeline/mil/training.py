"""Training a fold: an ensemble of networks, each stopped on training groups it did not see."""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.errors import (
    MissingCheckpointError,
    StaleCheckpointError,
    UnreadableCheckpointError,
)
from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.checkpoints import (
    TrainedFold,
    load_fold,
    load_network,
    save_network,
    write_stamp,
)
from biomass_pipeline.mil.fitted import FittedNetwork
from biomass_pipeline.mil.fitting import FitOptions, Parts, fit_network
from biomass_pipeline.mil.progress import OnProgress, TrainingProgress
from biomass_pipeline.mil.provenance import seed_checkpoint
from biomass_pipeline.mil.stopping import OnEpoch
from biomass_pipeline.mil.targets import Recipe, align_labels
from biomass_pipeline.store.bags import FeatureSet
from biomass_pipeline.store.locks import waiting_lock

__all__ = ["FitOptions", "FittedNetwork", "Parts", "TrainingRecords", "fit_network", "train_fold"]


@dataclass(frozen=True)
class TrainingRecords:
    """What is kept and told of a training beside its result, as `compute` configures it.

    Attributes:
        loggers: Which logs of the epochs: csv, tensorboard.
        checkpoint_every_epochs: How often a state to resume from is kept.
        on_progress: Told after every epoch.
    """

    loggers: tuple[str, ...] = ()
    checkpoint_every_epochs: int = 10
    on_progress: OnProgress | None = None

    def on_epoch(self, number: int, training: TrainingConfig) -> OnEpoch | None:
        """What one network of an ensemble, counted from 0, tells its epochs; None tells nobody."""
        tell = self.on_progress
        if tell is None:
            return None
        n_networks, most_epochs = training.n_seeds, training.epochs

        def told(epoch: int, error: float) -> None:
            tell(TrainingProgress(number + 1, n_networks, epoch + 1, most_epochs, error))

        return told


def train_fold(  # noqa: PLR0913  # the last three never change the result
    train: FeatureSet,
    labels: pd.DataFrame,
    *,
    recipe: Recipe,
    checkpoint_folder: Path,
    device: str = "cpu",
    threads: int | None = None,
    records: TrainingRecords = TrainingRecords(),
) -> TrainedFold:
    """Train a fold's ensemble and write `seed_<n>.ckpt` and a stamp into its folder.

    Networks that an interrupted run left complete under the same fingerprint are kept, and one that
    it left incomplete goes on from `seed_<n>.last.ckpt`. Logs of the epochs are at `logs/seed_<n>`.

    Args:
        train: Every photo to learn from; none of the held-out fold.
        labels: Columns `image_id`, `group`, the targets and the covariates; rows of other photos
            are ignored.
        recipe: What decides the result.
        checkpoint_folder: Where this fold's files go; made if missing.
        device: As PyTorch names it: cpu, cuda, cuda:1, mps.
        threads: PyTorch's threads while training; None leaves them alone.
        records: Logs, and how often a state to resume from is kept.

    Returns:
        What `load_fold` would read.

    Raises:
        UnlabelledBagError: A photo has no label.
        UnknownCovariateError: A covariate is no column of numbers.
        EmptyBagError: A photo has no tile.
        TooFewGroupsError: There is one training group only.
        TrainingDivergedError: A loss is not finite.
    """
    training = recipe.training
    labelled = align_labels(
        labels,
        train.image_ids,
        names=recipe.data.target_names,
        covariates=training.covariates,
        date_column=recipe.data.date_column,
    )
    bags = BagBatch.from_feature_set(train, device=device, covariates=labelled.covariates)
    # Two at once would write each other's states and logs: the second waits, and finds all done.
    held = checkpoint_folder.with_name(f".{checkpoint_folder.name}.lock")
    with waiting_lock(held, what=f"training {checkpoint_folder.name}"):
        for number in range(training.n_seeds):
            path = seed_checkpoint(checkpoint_folder, number)
            options = _options(path, recipe=recipe, threads=threads, records=records)
            options = replace(options, on_epoch=records.on_epoch(number, training))
            if not _is_trained(path, recipe.fingerprint):
                parts = Parts.of_seed(labelled, training, number=number)
                fitted = fit_network(
                    bags,
                    labelled,
                    data=recipe.data,
                    training=training,
                    parts=parts,
                    number=number,
                    options=options,
                )
                save_network(fitted, path, fingerprint=recipe.fingerprint)
            if options.resume is not None:
                options.resume.unlink(missing_ok=True)
        write_stamp(checkpoint_folder, fingerprint=recipe.fingerprint, n_seeds=training.n_seeds)
        return load_fold(checkpoint_folder, recipe.fingerprint)


def _options(
    path: Path, *, recipe: Recipe, threads: int | None, records: TrainingRecords
) -> FitOptions:
    seed_name = path.stem
    return FitOptions(
        where=f"{path.parent.name}, network {seed_name.removeprefix('seed_')}",
        fingerprint=recipe.fingerprint,
        threads=threads,
        logs=path.parent / "logs" / seed_name,
        loggers=records.loggers,
        resume=path.with_name(f"{seed_name}.last.ckpt"),
        checkpoint_every_epochs=records.checkpoint_every_epochs,
    )


def _is_trained(path: Path, fingerprint: str) -> bool:
    try:
        load_network(path, fingerprint=fingerprint)
    except (MissingCheckpointError, UnreadableCheckpointError, StaleCheckpointError):
        return False
    return True
