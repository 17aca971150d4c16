"""What the protocols say side by side: scores of each, what random folds promise too much."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from biomass_pipeline.config import Config
from biomass_pipeline.evaluation.learning_curve import curve_of
from biomass_pipeline.evaluation.protocols import Protocol, protocols_of
from biomass_pipeline.evaluation.trial import Trial
from biomass_pipeline.scoring import (
    bootstrap_weighted_r2,
    compare_models,
    score_target,
)

SCHEMA_VERSION = 1
OPTIMISTIC = (
    "optimistic: photos of one group are learnt from and predicted, so recognising the session pays"
)
# Is the network worth its price, is the choice among models, and is there anything to see at all?
PAIRS = (("mil", "ridge"), ("auto", "ridge"), ("mil", "constant"), ("auto", "constant"))

_LEVEL = 0.95
_CURVE = "learning-curve"


def compare_protocols(
    tables: Mapping[str, pd.DataFrame], labels: pd.DataFrame, *, config: Config, seed: int = 0
) -> dict[str, Any]:
    """Put the protocols' scores side by side.

    Protocols that differ in their seed alone are repeats: their scores are averaged, and each draw
    of the bootstrap takes whole groups in all repeats at once.

    Args:
        tables: By protocol key, as `run_protocol` gives them; keys that the configuration does not
            ask for are passed over.
        labels: One row a photo, to say what the protocols had to leave out.
        config: Targets, weights, group columns, protocols and the number of bootstrap draws.
        seed: Of the bootstrap.

    Returns:
        Ready for JSON: `schema_version, bootstrap_level, n_networks, protocols,
        random_minus_grouped` by model, and `learning_curve`. A protocol, by family: `kind, keys,
        missing, optimistic, label, remarks, n_repeats, n_images, n_groups, models, comparisons`.
        A model: `weighted_r2` with `mean, sd, values, interval`, `within_r2`, and `targets` with
        `r2` and `rmse`. What has no value is None.
    """
    asked = protocols_of(config)
    trials = {
        protocol.key: Trial.of(tables[protocol.key], data=config.data)
        for protocol in asked
        if protocol.key in tables
    }
    families = {
        name: _family(members, trials, labels, config=config, seed=seed)
        for name, members in _families(asked).items()
    }
    return {
        "schema_version": SCHEMA_VERSION,
        "bootstrap_level": _LEVEL,
        "n_networks": config.evaluation.protocols.n_networks,
        "protocols": {
            name: family for name, family in families.items() if family["kind"] != _CURVE
        },
        "random_minus_grouped": _gaps(list(families.values())),
        "learning_curve": curve_of(
            [
                (protocol.share, trials[protocol.key].n_train_groups, trials[protocol.key].scores())
                for protocol in asked
                if protocol.kind in {_CURVE, "grouped"} and protocol.key in trials
            ]
        ),
    }


def _families(asked: Sequence[Protocol]) -> dict[str, list[Protocol]]:
    found: dict[str, list[Protocol]] = {}
    for protocol in asked:
        found.setdefault(protocol.family, []).append(protocol)
    return found


def _family(
    members: Sequence[Protocol],
    trials: Mapping[str, Trial],
    labels: pd.DataFrame,
    *,
    config: Config,
    seed: int,
) -> dict[str, Any]:
    """One protocol with its repeats."""
    done = [trials[member.key] for member in members if member.key in trials]
    ran = [trial for trial in done if trial.predicted]
    told: dict[str, Any] = {
        "kind": members[0].kind,
        "keys": [member.key for member in members],
        "missing": [member.key for member in members if member.key not in trials],
        "optimistic": members[0].optimistic,
        "label": OPTIMISTIC if members[0].optimistic else None,
        "remarks": list(_remarks(members, labels)),
        "n_repeats": len(ran),
        "n_images": 0,
        "n_groups": 0,
        "models": {},
        "comparisons": [],
    }
    if not ran or members[0].kind == _CURVE:
        return told
    whole, n_resamples = Trial.joined(ran), config.evaluation.n_resamples
    return told | {
        "n_images": len(set(whole.image_ids)),
        "n_groups": len(set(whole.groups)),
        "models": {
            model: _model(model, whole, ran, chance=np.random.default_rng(seed), n=n_resamples)
            for model in whole.predicted
        },
        "comparisons": list(_comparisons(whole, seed=seed, n_resamples=n_resamples)),
    }


def _remarks(members: Sequence[Protocol], labels: pd.DataFrame) -> dict[str, None]:
    """What the repeats had to leave out, each sentence once."""
    return dict.fromkeys(said for member in members for said in member.plan(labels).remarks)


def _model(
    model: str, whole: Trial, repeats: Sequence[Trial], *, chance: np.random.Generator, n: int
) -> dict[str, Any]:
    values = [scores[model] for trial in repeats if (scores := trial.scores())]
    predicted = whole.predicted[model]
    within = [skill for trial in repeats if (skill := trial.within_score(model)) is not None]
    targets = {
        name: score_target(whole.true[:, column], predicted[:, column])
        for column, name in enumerate(whole.data.target_names)
    }
    return {
        "weighted_r2": {
            "mean": float(np.mean(values)) if values else None,
            "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            "values": values,
            "interval": _interval(model, whole, chance=chance, n_resamples=n) if values else None,
        },
        "within_r2": float(np.mean(within)) if within else None,
        "targets": {name: {"r2": score.r2, "rmse": score.rmse} for name, score in targets.items()},
    }


def _interval(
    model: str, trial: Trial, *, chance: np.random.Generator, n_resamples: int
) -> list[float] | None:
    draws = bootstrap_weighted_r2(
        trial.true,
        trial.predicted[model],
        trial.groups,
        column_weights=trial.column_weights,
        chance=chance,
        n_resamples=n_resamples,
    )
    if len(set(trial.groups)) == 1 or len(draws) == 0:
        return None
    tail = (1 - _LEVEL) / 2
    return [float(bound) for bound in np.quantile(draws, [tail, 1 - tail])]


def _comparisons(trial: Trial, *, seed: int, n_resamples: int) -> Iterator[dict[str, Any]]:
    """Each pair of models that are there, on the same draws of groups; none for one group."""
    if not trial.scores() or len(set(trial.groups)) == 1:
        return
    for model, other in PAIRS:
        if {model, other} <= set(trial.predicted):
            found = compare_models(
                trial.true,
                (trial.predicted[model], trial.predicted[other]),
                trial.groups,
                column_weights=trial.column_weights,
                chance=np.random.default_rng(seed),
                n_resamples=n_resamples,
            )
            yield {"model": model, "against": other, **asdict(found)}


def _gaps(families: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """What random folds promise too much, by model: their mean score minus that of group folds."""
    means = {
        family["kind"]: {
            model: found["weighted_r2"]["mean"] for model, found in family["models"].items()
        }
        for family in families
        if family["kind"] in {"grouped", "random"}
    }
    grouped, random = means.get("grouped", {}), means.get("random", {})
    return {
        model: random[model] - grouped[model]
        for model in grouped
        if random.get(model) is not None and grouped[model] is not None
    }
