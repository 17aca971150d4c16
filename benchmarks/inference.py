"""Predictions of 1,000 cached bags by all folds together, beside one fold after another.

Usage: python benchmarks/inference.py [RESULT.json] [--width W] [--runs N]. Bags of 15 tiles; five
folds of five networks and a ridge each, trained for an epoch, since speed does not depend on how
well. `auto` takes the ridge where networks are no better, which is what an epoch gives; `mil` and
`stack` are what it costs where they are. Features are in memory; reading them from the cache is
timed beside it. The other way predicts each fold by all its models and averages: what
`FoldModels.predict` offers. Of several runs the fastest is given, by the clock and by the
processor, with the machine's load while it ran.
"""

import argparse
import os
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from verdicts import Target, finish

from biomass_pipeline.config import DataConfig, EvaluationConfig, TrainingConfig
from biomass_pipeline.inference.ensemble import Ensemble, predict_ensemble
from biomass_pipeline.layout import Layout
from biomass_pipeline.mil import (
    FoldModels,
    PredictionSpec,
    Recipe,
    TargetSpec,
    fit_ridge,
    train_fold,
)
from biomass_pipeline.store import FeatureFolder, FeatureSet, FoldContents, Stamp

N_BAGS, N_TILES, N_FOLDS, N_LEARNT, N_GROUPS = 1000, 15, 5, 120, 24
AREA_M2 = 0.21
PROMISED_S = 2.0
MODELS = ("auto", "mil", "stack")
SPEC = PredictionSpec.from_config(EvaluationConfig())


def bags(n_bags: int, width: int, *, seed: int) -> FeatureSet:
    """Bags of noise."""
    names = tuple(f"photo_{seed}_{number:04d}" for number in range(n_bags))
    n_rows = n_bags * N_TILES
    return FeatureSet(
        features=np.random.default_rng(seed).standard_normal((n_rows, width)).astype(np.float16),
        coords=np.zeros((n_rows, 2), np.int32),
        area_weight=np.full(n_rows, 1 / N_TILES, np.float32),
        image_ids=names,
        image_sha256=names,
        offsets=np.arange(n_bags + 1, dtype=np.int64) * N_TILES,
    )


def fold_models(width: int, folder: Path, *, seed: int) -> FoldModels:
    """The default models of one fold, hardly trained."""
    data, training = DataConfig(), TrainingConfig(epochs=1, seed=seed)
    features, spec = bags(N_LEARNT, width, seed=seed), TargetSpec.from_config(DataConfig())
    mass = spec.sums(np.random.default_rng(seed).gamma(2.0, 10.0, (N_LEARNT, 3)))
    labels = pd.DataFrame(mass, columns=list(spec.names)).assign(
        image_id=features.image_ids, group=[f"group {n % N_GROUPS}" for n in range(N_LEARNT)]
    )
    recipe = Recipe(data, training, fingerprint=f"benchmark {seed}")
    network = train_fold(features, labels, recipe=recipe, checkpoint_folder=folder / str(seed))
    return FoldModels(network, fit_ridge(features, labels, recipe=recipe))


def fastest(work: Callable[[], object], n_runs: int) -> dict[str, float]:
    """Seconds of the fastest of several runs, and the load."""
    seen = []
    for _ in range(n_runs):
        clock, processor = time.perf_counter(), time.process_time()
        work()
        seen.append((time.perf_counter() - clock, time.process_time() - processor))
    return {
        "clock_s": min(each[0] for each in seen),
        "processor_s": min(each[1] for each in seen),
        "load": os.getloadavg()[0],
    }


def one_after_another(folds: tuple[FoldModels, ...], features: FeatureSet) -> pd.DataFrame:
    """Each fold by all its models, then the mean of what was asked for."""
    found = [fold.predict(features, spec=SPEC)["auto"].frame() for fold in folds]
    novelty = np.mean([list(fold.novelty(features).values()) for fold in folds], axis=0)
    mean = np.mean([frame["y_pred"] for frame in found], axis=0)
    return found[0].assign(y_pred=mean, ood_percentile=np.repeat(novelty, 5))


def cached(features: FeatureSet, root: Path) -> Callable[[], FeatureSet]:
    """Put bags into a cache; what reads them back."""
    stamp = Stamp("b" * 16, "noise", "", 518, 400, "cls", "last", features.feature_dim, "float16")
    rows = pd.DataFrame(
        {
            "image_id": np.repeat(np.array(features.image_ids, dtype=object), N_TILES),
            "image_sha256": np.repeat(np.array(features.image_sha256, dtype=object), N_TILES),
            "path": "photo.jpg",
            "row_px": 0,
            "col_px": np.tile(np.arange(N_TILES), len(features.image_ids)),
            "area_weight": 1 / N_TILES,
        }
    )
    contents = FoldContents.from_patch_index(rows)

    folder = FeatureFolder(Layout(root))
    return folder.write(None, contents, stamp=stamp, embedder=_Given(features)).cache.load


@dataclass(frozen=True)
class _Block:
    """One bag, as an embedder gives it."""

    photo: int
    tiles: NDArray[np.int64]
    features: NDArray[np.float16]
    reason: str = ""


@dataclass(frozen=True)
class _Given:
    """An embedder that has all rows already."""

    known: FeatureSet

    def feature_dim(self) -> int:
        return self.known.feature_dim

    def notes(self) -> dict[str, str]:
        return {}

    def embed(self, wanted: Mapping[int, NDArray[np.int64]]) -> Generator[_Block]:
        for photo, tiles in wanted.items():
            yield _Block(photo, tiles, self.known.bag(photo))


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", nargs="?", type=Path)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    features = bags(N_BAGS, options.width, seed=99)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        folds = tuple(fold_models(options.width, root, seed=seed) for seed in range(N_FOLDS))
        reading = fastest(cached(features, root), options.runs)
    found = {
        model: fastest(
            lambda model=model: predict_ensemble(Ensemble(folds, model), features, spec=SPEC).frame(
                AREA_M2
            ),
            options.runs,
        )
        for model in MODELS
    }
    rival = fastest(lambda: one_after_another(folds, features), max(1, options.runs // 3))
    finish(
        options.result,
        ratios={
            "one fold after another, over auto": rival["processor_s"]
            / found["auto"]["processor_s"],
            "all networks, over auto": found["mil"]["processor_s"] / found["auto"]["processor_s"],
        },
        targets=[
            Target(
                f"1,000 cached bags by `{model}`, s", PROMISED_S, seconds["clock_s"], at_most=True
            )
            for model, seconds in found.items()
        ],
        details={
            "width": options.width,
            "tiles": N_TILES,
            "folds": N_FOLDS,
            "chosen": [member.model for member in Ensemble(folds).members()],
            "seconds": found,
            "reading_the_cache": reading,
            "one_after_another": rival,
        },
    )


if __name__ == "__main__":
    main()
