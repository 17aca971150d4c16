"""Which ridge is the default: designs side by side on several kinds of data sets and fold seeds.

Usage: python benchmarks/defaults_ridge.py [RESULT.json] [--cache DIR] [--wheat DIR] [--seeds N]

Each design is judged as the product judges it: group k-fold, all choices of alpha and relevance on
inner groups of the training part, the global weighted R2 of pooled out-of-fold predictions. A kind
of data counts once, however many surveys are of it, and the mean over kinds decides: the best
figure on one data set would be that data set's luck.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from surveys import Survey, surveys
from verdicts import finish

from biomass_pipeline.config import RidgeConfig, TrainingConfig
from biomass_pipeline.mil.ridge import fit_members, pool_bags
from biomass_pipeline.mil.splits import inner_parts
from biomass_pipeline.mil.targets import LabelledBags, align_labels
from biomass_pipeline.scoring import weighted_r2

N_FOLDS = 5
POOLINGS = ("mean", "max", "min", "gem", "std")
_FOLD_SEED = 1000  # keeps the dealing of folds apart from that of inner parts

_EARLIER = {"poolings": ("mean", "max"), "transforms": ("raw",), "relevances": (0.0,)}
_DEFAULT = {
    "poolings": ("mean", "gem"),
    "scaling": "standard",
    "transforms": ("raw", "sqrt"),
    "relevances": (0.0, 1.0),
}
# One thing changed at a time.
DESIGNS: Mapping[str, Mapping[str, object]] = {
    "earlier: mean+max, raw": _EARLIER,
    "default": _DEFAULT,
    "mean": _DEFAULT | {"poolings": ("mean",)},
    "mean+max": _DEFAULT | {"poolings": ("mean", "max")},
    "mean+max+min+gem": _DEFAULT | {"poolings": ("mean", "max", "min", "gem")},
    "all five poolings": _DEFAULT | {"poolings": ("mean", "max", "min", "gem", "std")},
    "robust": _DEFAULT | {"scaling": "robust"},
    "clip 8": _DEFAULT | {"clip": 8.0},
    "raw": _DEFAULT | {"transforms": ("raw",)},
    "sqrt": _DEFAULT | {"transforms": ("sqrt",)},
    "raw+sqrt+log1p": _DEFAULT | {"transforms": ("raw", "sqrt", "log1p")},
    "relevance 0": _DEFAULT | {"relevances": (0.0,)},
    "relevance 1": _DEFAULT | {"relevances": (1.0,)},
    "robust, raw, relevance 0": _DEFAULT
    | {"scaling": "robust", "transforms": ("raw",), "relevances": (0.0,)},
    "rbf": _DEFAULT | {"kernel": "rbf"},
}


def main() -> None:
    """Score, print a Markdown table, and write the result where it is wanted."""
    asked = _asked()
    asked.cache.mkdir(parents=True, exist_ok=True)
    started_s = time.perf_counter()
    rows = []
    for survey in surveys(asked.cache, wheat=asked.wheat, vit=not asked.no_vit):
        pooled = Pooled.of(survey)
        for design, ridge in DESIGNS.items():
            for seed in range(asked.seeds):
                score = grouped_score(pooled, RidgeConfig(**ridge), seed=seed)
                rows.append((survey.kind, survey.name, design, seed, score))
        print(f"{survey.name}: {time.perf_counter() - started_s:.0f} s", flush=True)
    table = pd.DataFrame(rows, columns=["kind", "survey", "design", "seed", "r2"])
    summary = _summary(table)
    print("\n" + _markdown(summary))
    means = {name: float(value) for name, value in summary["mean"].items()}
    ratios = {"default over earlier, mean R2": means["default"] / means["earlier: mean+max, raw"]}
    details = {
        "n_fold_seeds": asked.seeds,
        "designs": {name: dict(ridge) for name, ridge in DESIGNS.items()},
        "mean": {name: dict(row) for name, row in summary.iterrows()},
        "surveys": {
            f"{survey}, {design}": {"mean": float(r2.mean()), "sd": float(r2.std(ddof=0))}
            for (survey, design), r2 in table.groupby(["survey", "design"], sort=False)["r2"]
        },
    }
    finish(asked.result, ratios=ratios, details=details)


@dataclass(frozen=True)
class Pooled:
    """A survey, pooled once for all designs.

    Attributes:
        survey: The data.
        rows: Shape (bag, feature) by pooling.
        labelled: Labels in the order of the rows.
    """

    survey: Survey
    rows: Mapping[str, NDArray[np.float64]]
    labelled: LabelledBags

    @classmethod
    def of(cls, survey: Survey) -> "Pooled":
        """Pool all photos in every way."""
        found = pool_bags(survey.features, POOLINGS)
        ids = survey.features.image_ids
        labelled = align_labels(survey.labels, ids, names=survey.targets.names)
        return cls(survey, {name: found[:, n] for n, name in enumerate(POOLINGS)}, labelled)


def grouped_score(pooled: Pooled, ridge: RidgeConfig, *, seed: int) -> float:
    """The weighted R2 of out-of-fold predictions, groups dealt to folds by the seed."""
    targets, labelled = pooled.survey.targets, pooled.labelled
    rows = np.stack([pooled.rows[name] for name in ridge.poolings], axis=1)
    training = TrainingConfig(ridge=ridge)
    predicted = np.empty_like(labelled.y)
    for part in inner_parts(labelled.groups, n_parts=N_FOLDS, seed=_FOLD_SEED + seed):
        rest = np.setdiff1d(np.arange(len(rows)), part)
        members, _ = fit_members(
            rows[rest], labelled.select(rest), targets=targets, training=training
        )
        components = np.mean([member(rows[part]) for member in members], axis=0)
        predicted[part] = targets.sums(components)
    weights = dict(zip(targets.names, targets.weights, strict=True))
    return weighted_r2(labelled.y, predicted, targets=targets.names, weights=weights)


def _summary(table: pd.DataFrame) -> pd.DataFrame:
    """Designs by kinds, their mean, the sd over fold seeds, and that of the mean over kinds."""
    kinds = table.pivot_table(index=["design", "seed"], columns="kind", values="r2", sort=False)
    by_seed = kinds.mean(axis=1).groupby("design")
    means = kinds.groupby("design", sort=False).mean()
    summary = means.assign(mean=by_seed.mean(), sd=by_seed.std(ddof=0))
    return summary.loc[list(DESIGNS)]


def _markdown(summary: pd.DataFrame) -> str:
    head = ["design", *summary.columns]
    lines = [head, ["---"] * len(head)]
    lines += [[str(name), *(f"{v:.3f}" for v in row)] for name, row in summary.iterrows()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("result", type=Path, nargs="?", help="JSON file to write")
    cache = Path(gettempdir()) / "biomass_surveys"
    parser.add_argument("--cache", type=Path, default=cache, help="where photos and features stay")
    parser.add_argument("--wheat", type=Path, help="folder of real photos and labels.csv")
    parser.add_argument("--seeds", type=int, default=2, help="dealings of groups to folds")
    parser.add_argument("--no-vit", action="store_true", help="skip the untrained network")
    return parser.parse_args()


if __name__ == "__main__":
    main()
