"""Tuning of the demo: 50 trials for each of five folds and for all photos, on two cores.

Usage: python benchmarks/tuning.py [RESULT.json] [--trials N]. Two processes of one thread share
the studies as a run of partitions does. The clock takes in the networks that are trained by the
settings found, and by the configured ones; the photos' features lie ready, as in a cache.
"""

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from surveys import WEIGHTS_FREE, Survey, photographed
from verdicts import Target, finish

from biomass_pipeline.config import DataConfig, TrainingConfig, TuningConfig
from biomass_pipeline.mil.splits import inner_parts
from biomass_pipeline.mil.tuning import (
    OuterFold,
    Search,
    StudyResult,
    nested_predictions,
    nested_score,
    sqlite_url,
    tune,
)
from biomass_pipeline.store import FeatureSet
from biomass_pipeline.synthetic import SyntheticSpec

N_FOLDS, N_WORKERS, LIMIT_S = 5, 2, 300.0
ALL = N_FOLDS  # the study that sees all photos


def main() -> None:
    """Measure, print, and write the result where it is wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("result", type=Path, nargs="?", help="JSON file to write")
    parser.add_argument("--trials", type=int, default=TuningConfig().n_trials)
    asked = parser.parse_args()
    with TemporaryDirectory(prefix="biomass_tuning_") as name:
        folder = Path(name)
        survey(folder)
        load = os.getloadavg()[0]
        started_s = time.perf_counter()
        with ProcessPoolExecutor(N_WORKERS, mp_context=get_context("spawn")) as pool:
            jobs = [pool.submit(study, folder, fold, asked.trials) for fold in (ALL, *range(5))]
            found = [job.result() for job in jobs]
        elapsed_s = time.perf_counter() - started_s
    tables = [table for _, table, _ in found if table is not None]
    nested = nested_score(tables, data=search(asked.trials).data)
    states = pd.concat([result.trials["state"] for result, _, _ in found]).value_counts()
    seconds = pd.concat([result.trials["duration_s"] for result, _, _ in found])
    details = {
        "elapsed_s": elapsed_s,
        "processor_s": sum(used for _, _, used in found),
        "load_average_before": load,
        "studies": len(found),
        "trials_a_study": asked.trials,
        "states": states.to_dict(),
        "median_trial_s": seconds.median(),
        "nested": asdict(nested),
        "best": {result.study: (result.best_value, dict(result.best)) for result, _, _ in found},
        "importance": dict(found[0][0].importance),
    }
    print(f"{len(found)} studies of {asked.trials} trials: {elapsed_s:.0f} s; nested {nested}")
    finish(
        asked.result,
        ratios={"limit over ours": LIMIT_S / elapsed_s},
        targets=[Target("tuning of the demo, s", LIMIT_S, elapsed_s, at_most=True)],
        details=details,
    )


def study(folder: Path, fold: int, n_trials: int) -> tuple[StudyResult, pd.DataFrame | None, float]:
    """One study, and the predictions of its held-out fold; with the processor time they took."""
    torch.set_num_threads(1)
    started_s = time.process_time()
    here, what = survey(folder), search(n_trials)
    parts = inner_parts(here.labels["group"].to_numpy(dtype=str), n_parts=N_FOLDS, seed=0)
    held = here.labels["image_id"].iloc[parts[fold]].tolist() if fold != ALL else []
    train, held_out = split(here.features, held)
    name = "all" if fold == ALL else f"fold_{fold}"
    url = sqlite_url(folder / "studies.db")
    result = tune(name, train, here.labels, search=what, storage_url=url, threads=1)
    table = None
    if fold != ALL:
        table = nested_predictions(
            OuterFold(train, held_out, here.labels),
            result,
            search=what,
            folder=lambda mark: folder / "checkpoints" / mark,
            threads=1,
        )
    return result, table, time.process_time() - started_s


def search(n_trials: int) -> Search:
    """The default space around the demo's settings: one network a fold."""
    tuning = TuningConfig(n_trials=n_trials)
    return Search(DataConfig(), TrainingConfig(n_seeds=1), tuning, extraction="demo")


@cache
def survey(folder: Path) -> Survey:
    """The demo's photos and their features, made once."""
    return photographed(folder, SyntheticSpec(), WEIGHTS_FREE, kind="demo")


def split(features: FeatureSet, held: list[str]) -> tuple[FeatureSet, FeatureSet]:
    """The photos that are not held out, and those that are."""
    is_held = np.isin(features.image_ids, held)
    return pick(features, np.flatnonzero(~is_held)), pick(features, np.flatnonzero(is_held))


def pick(features: FeatureSet, bags: NDArray[np.int64]) -> FeatureSet:
    """Some photos, in the given order."""
    rows = np.concatenate([np.arange(*features.offsets[i : i + 2]) for i in bags] or [[]])
    rows = rows.astype(np.int64)
    return FeatureSet(
        features=features.features[rows],
        coords=features.coords[rows],
        area_weight=features.area_weight[rows],
        image_ids=tuple(features.image_ids[i] for i in bags),
        image_sha256=tuple(features.image_sha256[i] for i in bags),
        offsets=np.concatenate([[0], np.cumsum(np.diff(features.offsets)[bags])]).astype(np.int64),
    )


if __name__ == "__main__":
    main()
