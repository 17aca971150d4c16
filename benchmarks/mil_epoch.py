"""An epoch of training on 357 bags of 15 x 1024, beside one bag a step from reopened gzip groups.

Usage: python benchmarks/mil_epoch.py [RESULT.json]. Both train the default network on one thread, 4
of 5 parts of the bags, as a fold does. Ours is `train_fold` as it is, 50 epochs with its start, a
log of every epoch for CSV and TensorBoard, a state to resume from every 10 epochs, and its
checkpoint; and once more without logs and states, to see what they cost. The other is timed for 2
epochs, since each is like the next. The seconds of 5 folds x 50 epochs are those figures times the
epochs, and say so. Seconds of the processor are given beside those of the clock, for machines that
are not idle.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import pandas as pd
import torch
from verdicts import Target, finish

from biomass_pipeline.config import DataConfig, TrainingConfig
from biomass_pipeline.mil import BagBatch, Recipe, TargetSpec, TrainingRecords, train_fold
from biomass_pipeline.mil.module import BagModule
from biomass_pipeline.mil.targets import align_labels
from biomass_pipeline.store import FeatureSet

N_BAGS, N_TILES, WIDTH = 357, 15, 1024
FOLDS, EPOCHS, RIVAL_EPOCHS = 5, 50, 2
GROUPS = 30
PROMISED_S = 45.0
RECORDS = TrainingRecords(loggers=("csv", "tensorboard"), checkpoint_every_epochs=10)
NO_RECORDS = TrainingRecords(checkpoint_every_epochs=EPOCHS)


@dataclass(frozen=True)
class Seconds:
    """Of an epoch, by the clock and by the processor."""

    clock: float
    processor: float


class Watch:
    """Counts from where it is made."""

    def __init__(self) -> None:
        self._clock, self._processor = time.perf_counter(), time.process_time()

    def read(self, n_epochs: int) -> Seconds:
        """Seconds an epoch so far."""
        return Seconds(
            (time.perf_counter() - self._clock) / n_epochs,
            (time.process_time() - self._processor) / n_epochs,
        )


def survey() -> tuple[FeatureSet, pd.DataFrame]:
    """The training part of a fold: four fifths of the bags, with labels."""
    chance = np.random.default_rng(0)
    n_bags = N_BAGS * (FOLDS - 1) // FOLDS
    names = tuple(f"photo_{number:04d}" for number in range(n_bags))
    features = FeatureSet(
        features=chance.standard_normal((n_bags * N_TILES, WIDTH)).astype(np.float16),
        coords=np.zeros((n_bags * N_TILES, 2), np.int32),
        area_weight=np.full(n_bags * N_TILES, 1 / N_TILES, np.float32),
        image_ids=names,
        image_sha256=names,
        offsets=np.arange(n_bags + 1, dtype=np.int64) * N_TILES,
    )
    spec = TargetSpec.from_config(DataConfig())
    mass = spec.sums(chance.gamma(2.0, 10.0, (n_bags, len(spec.components))))
    labels = pd.DataFrame(mass, columns=list(spec.names))
    return features, labels.assign(
        image_id=names, group=[f"group {n % GROUPS}" for n in range(n_bags)]
    )


def ours(
    features: FeatureSet, labels: pd.DataFrame, folder: Path, records: TrainingRecords
) -> Seconds:
    """The product, early stopping never reached."""
    training = TrainingConfig(epochs=EPOCHS, patience=EPOCHS, n_seeds=1)
    recipe = Recipe(DataConfig(), training, fingerprint="benchmark")
    watch = Watch()
    train_fold(
        features, labels, recipe=recipe, checkpoint_folder=folder, threads=1, records=records
    )
    return watch.read(EPOCHS)


def rival(features: FeatureSet, labels: pd.DataFrame, path: Path) -> Seconds:
    """The same network, one bag a step, its gzip group read from disk."""
    with h5py.File(path, "w") as file:
        for index, name in enumerate(features.image_ids):
            bag = features.bag(index).astype(np.float32)
            file.create_group(name).create_dataset("features", data=bag, compression="gzip")
    spec = TargetSpec.from_config(DataConfig())
    labelled = align_labels(labels, features.image_ids, names=spec.names)
    module = BagModule(
        feature_dim=WIDTH,
        targets=spec.to_plain(),
        training=TrainingConfig(epochs=EPOCHS).model_dump(mode="json"),
    )
    network = module.network
    columns = list(spec.component_columns)
    network.scaler.fit(BagBatch.from_feature_set(features), labelled.y[:, columns])
    network.labels.fit(labelled.y)
    network.build()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-2)
    truth = network.labels.truth(labelled.y.copy())
    chance = np.random.default_rng(0)
    watch = Watch()
    for _ in range(RIVAL_EPOCHS):
        for index in chance.permutation(len(features.image_ids)):
            with h5py.File(path) as file:
                bag = torch.from_numpy(file[features.image_ids[index]]["features"][...])[None]
            whole = torch.ones(1, N_TILES, dtype=torch.bool)
            weight = torch.full((1, N_TILES), 1 / N_TILES)
            bags = network.scaled(BagBatch(bag, whole, weight, torch.empty(1, 0)))
            loss = network.losses(bags, truth.select(torch.tensor([index]))).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return watch.read(RIVAL_EPOCHS)


def main() -> None:
    """Measure, print, and write the result where it is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("result", type=Path, nargs="?", help="JSON file to write")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    features, labels = survey()
    with TemporaryDirectory(prefix="biomass_epochs_") as name:
        folder = Path(name)
        # In turn, so that all share the machine's moods; the fastest turn of each counts.
        turns = [
            {
                "ours": ours(features, labels, folder / f"{n}", RECORDS),
                "ours without logs and states": ours(
                    features, labels, folder / f"{n}b", NO_RECORDS
                ),
                "one bag a step, gzip reopened": rival(features, labels, folder / "g.h5"),
            }
            for n in range(2)
        ]
    clock, processor = (
        {name: min(getattr(turn[name], kind) for turn in turns) for name in turns[0]}
        for kind in ("clock", "processor")
    )
    epochs = FOLDS * EPOCHS
    naive, bare = clock["one bag a step, gzip reopened"], clock["ours without logs and states"]
    finish(
        asked.result,
        ratios={
            "rival over ours, an epoch": naive / clock["ours"],
            "ours with logs and states over without": clock["ours"] / bare,
        },
        targets=[
            Target(
                "5 folds x 50 epochs on one thread [s]",
                target=PROMISED_S,
                measured=clock["ours"] * epochs,
                at_most=True,
            )
        ],
        details={
            "epoch_s": clock,
            "epoch_processor_s": processor,
            "five_folds_of_50_epochs_s": {name: each * epochs for name, each in clock.items()},
            "five_folds_of_50_epochs_processor_s": {
                name: each * epochs for name, each in processor.items()
            },
            "measured_epochs": {"ours": EPOCHS, "rival": RIVAL_EPOCHS},
        },
    )


if __name__ == "__main__":
    main()
