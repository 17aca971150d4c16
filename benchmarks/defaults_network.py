"""Which network is the default: one thing changed at a time, over kinds of data and fold seeds.

Usage: python benchmarks/defaults_network.py [RESULT.json] [--cache DIR] [--wheat DIR] [--seeds N]

Each design is judged as the product judges it: group k-fold, early stopping and scale on inner
groups of the training part, the global weighted R2 of pooled out-of-fold predictions. One network a
fold, so that a design is judged and not the size of an ensemble; rows that say so have five. The
default's row has the ridge, the stack and the chosen model beside it, from the same folds.
"""

import argparse
import logging
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import numpy as np
import pandas as pd
from surveys import WEIGHTS_FREE, Survey, photographed, real, simulated
from verdicts import finish

from biomass_pipeline import mil
from biomass_pipeline.config import EvaluationConfig, TrainingConfig
from biomass_pipeline.evaluation.split_models import photos
from biomass_pipeline.mil.splits import inner_parts
from biomass_pipeline.scoring import weighted_r2
from biomass_pipeline.synthetic import SyntheticSpec

N_FOLDS = 5
N_WORKERS = 2
_FOLD_SEED = 1000  # keeps the dealing of folds apart from that of inner parts
_FROFA = ("brightness", "contrast", "posterize", "noise", "scale")

# One thing changed at a time. What is beyond 120 photos of one kind is judged on fewer fold seeds.
DESIGNS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    **{
        f"aggregator {name}": {"aggregator": name}
        for name in (
            "gated_attention",
            "attention",
            "additive_attention",
            "mean",
            "max",
            "mean+max+gem",
            "map",
            "transmil",
        )
    },
    **{
        f"loss {name}": {"loss": name}
        for name in ("squared_error", "ziln", "gamma_hurdle", "tweedie")
    },
    "head independent": {"head": "independent"},
    "head total_share": {"head": "total_share"},
    "scaling robust": {"feature_scaling": "robust"},
    "relevance 1": {"feature_relevance": 1.0},
    **{
        f"c2frofa {name}": {"augmentation": ({"operation": name, "variant": "c2frofa"},)}
        for name in _FROFA
    },
    "mixup 0.2": {"mixup": 0.2},
    "no averaging": {"averaging": "none"},
    "swa": {"averaging": "swa"},
    "fixed epochs 20": {"stopping": "fixed", "epochs": 20},
    "warm-up 5": {"warmup_epochs": 5},
    "learning rate 0.002": {"learning_rate": 2e-3},
    "width 64": {"hidden_dim": 64},
    "dropout 0.5": {"dropout": 0.5},
    "weight decay 0.3": {"weight_decay": 0.3},
    "default, 5 networks": {"n_seeds": 5},
}


def main() -> None:
    """Score, print a Markdown table, and write the result where it is wanted."""
    asked = _asked()
    asked.cache.mkdir(parents=True, exist_ok=True)
    started_s = time.perf_counter()
    for name in _names(asked.wheat):
        _survey(name, asked.cache, asked.wheat)  # embedded once, before the workers look
    jobs = [
        (name, design, seed, asked.cache, asked.wheat)
        for design in DESIGNS
        for name in _names(asked.wheat)
        for seed in range(asked.seeds if "simulated" not in name else 1)
    ]
    with ProcessPoolExecutor(N_WORKERS, mp_context=get_context("spawn")) as pool:
        rows = [row for found in pool.map(_scores, jobs) for row in _told(found, started_s)]
    table = pd.DataFrame(rows, columns=["kind", "survey", "design", "seed", "r2"])
    summary = _summary(table)
    print("\n" + _markdown(summary))
    means = {str(name): float(value) for name, value in summary["mean"].items()}
    ratios = {f"{name} over default": mean / means["default"] for name, mean in means.items()}
    details = {
        "n_fold_seeds": asked.seeds,
        "mean": {name: dict(row) for name, row in summary.iterrows()},
        "designs": {name: dict(changed) for name, changed in DESIGNS.items()},
        "seconds": time.perf_counter() - started_s,
    }
    finish(asked.result, ratios=ratios, details=details)


def _names(wheat: Path | None) -> Iterator[str]:
    yield from ("demo 0", "demo 1")
    if wheat is not None:
        yield "wheat"
    yield "simulated network"


@cache
def _survey(name: str, folder: Path, wheat: Path | None) -> Survey:
    kind, _, which = name.partition(" ")
    if kind == "demo":
        return photographed(folder, SyntheticSpec(seed=int(which)), WEIGHTS_FREE, kind="demo")
    if kind == "wheat" and wheat is not None:
        return real(folder, wheat, WEIGHTS_FREE, kind="wheat")
    return simulated(which, seed=0)


def _scores(job: tuple[str, str, int, Path, Path | None]) -> list[tuple[str, str, str, int, float]]:
    """Kind, survey, design, seed and R2; of the default design also of what stands beside it."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    name, design, seed, folder, wheat = job
    survey = _survey(name, folder, wheat)
    settings = {"n_seeds": 1, "seed": seed} | dict(DESIGNS[design])
    training = TrainingConfig.model_validate(settings)
    beside = design.startswith("default")
    predicted = _out_of_fold(survey, training, seed=seed, beside=beside)
    names, data = survey.targets.names, survey.data
    truth = survey.labels.set_index("image_id").loc[list(survey.features.image_ids), list(names)]
    return [
        (
            survey.kind,
            survey.name,
            design if model == "mil" else f"{design}: {model}",
            seed,
            weighted_r2(truth.to_numpy(float), y, targets=names, weights=data.target_weights),
        )
        for model, y in predicted.items()
    ]


def _out_of_fold(
    survey: Survey, training: TrainingConfig, *, seed: int, beside: bool
) -> dict[str, np.ndarray]:
    """Every photo by models that never saw its group, shape (photo, target), by model."""
    ids = np.array(survey.features.image_ids)
    groups = survey.labels.set_index("image_id").loc[ids, "group"].to_numpy(dtype=str)
    spec = mil.PredictionSpec.from_config(EvaluationConfig(n_draws=20))
    recipe = mil.Recipe(survey.data, training, fingerprint="ablation")
    found: dict[str, np.ndarray] = {}
    for held_out in inner_parts(groups, n_parts=N_FOLDS, seed=_FOLD_SEED + seed):
        train = photos(survey.features, np.delete(ids, held_out).tolist())
        test = photos(survey.features, ids[held_out].tolist())
        with TemporaryDirectory() as place:
            network = mil.train_fold(
                train, survey.labels, recipe=recipe, checkpoint_folder=Path(place), threads=1
            )
        if beside:
            ridge = mil.fit_ridge(train, survey.labels, recipe=recipe)
            predictions = mil.FoldModels(network, ridge).predict(test, spec=spec)
        else:
            predictions = {"mil": mil.predict(network, test, spec=spec)}
        for model, each in predictions.items():
            whole = found.setdefault(model, np.empty((len(ids), len(survey.targets.names))))
            whole[held_out] = each.y
    return found


def _told(rows: list[tuple[str, str, str, int, float]], started_s: float) -> list[tuple]:
    _, survey, design, seed, r2 = rows[0]
    print(
        f"{time.perf_counter() - started_s:5.0f} s  {design}, {survey}, {seed}: {r2:.3f}",
        flush=True,
    )
    return rows


def _summary(table: pd.DataFrame) -> pd.DataFrame:
    """Designs by kinds, their mean, and the sd over surveys and fold seeds, averaged over kinds."""
    cells = table.groupby(["design", "kind"], sort=False)["r2"]
    means, sds = cells.mean().unstack("kind"), cells.std().unstack("kind")  # noqa: PD010
    return means.assign(mean=means.mean(axis=1), sd=sds.mean(axis=1))


def _markdown(summary: pd.DataFrame) -> str:
    head = ["design", *summary.columns]
    lines = [head, ["---"] * len(head)]
    lines += [[str(name), *(f"{v:.3f}" for v in row)] for name, row in summary.iterrows()]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("result", type=Path, nargs="?", help="JSON file to write")
    kept = Path(gettempdir()) / "biomass_surveys"
    parser.add_argument("--cache", type=Path, default=kept, help="where photos and features stay")
    parser.add_argument("--wheat", type=Path, help="folder of real photos and labels.csv")
    parser.add_argument("--seeds", type=int, default=2, help="dealings of groups to folds")
    return parser.parse_args()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
