"""Leak alarms: signs in the scores and in the features that a score is too good to be true.

An alarm proves nothing. It says what was found, what was expected, and what to look at first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from biomass_pipeline.config import DataConfig
from biomass_pipeline.evaluation.feature_leaks import closest_feature, likeliest_twins
from biomass_pipeline.evaluation.trial import Trial
from biomass_pipeline.store.bags import FeatureSet

FLOOR = "constant"

_BASELINE = "ridge"
_CHECKED = ("auto", "mil")  # what is printed as the result has to beat the floor

# Honest features of real photos gain up to .13 from random folds (all metadata: .786 to .655).
_GAP_LIMIT = 0.15
# A quadrat cut, dried and weighed again differs by some 5 %: nobody explains more than 98.5 % of
# what photos of one session differ by.
_WITHIN_LIMIT = 0.985
# What models predict of photos whose session they know they predict about as well as of others.
_WITHIN_GAIN_LIMIT = 0.15
# An ensemble gains a few hundredths over the single networks of the protocols.
_REPEAT_LIMIT = 0.1
# Photos measure mass with an error; a feature that follows it closer was made of it.
_CORRELATION_LIMIT = 0.995
_LIKENESS_LIMIT = 0.9999
_SHOWN = 3

# What is expected, and what to do where it is not so.
_EXPECTED = {
    "below_floor": (
        "whoever has learnt anything beats the constant",
        (
            "check that photos and labels belong together, and that there are enough groups "
            "(`biomass validate` draws the learning curve); until then trust the constant"
        ),
    ),
    "group_identity": (
        "whoever is above the session's mean can plausibly predict {limit:.1%} of that",
        (
            "look for a feature or covariate that was made of the labels, for copies of photos in "
            "several groups, and for `data.group_columns` that cut a session in two"
        ),
    ),
    "unrepeated_score": (
        "the two should agree to {limit:g}",
        (
            "train the folds again from an empty checkpoint folder; if the difference stays, a "
            "fold's models have seen their own photos, or the folds are lucky: quote the lower"
        ),
    ),
    "optimistic_gap": (
        "honest features gain less than {limit:g}",
        (
            "quote grouped scores only: the features tell sessions apart by light, camera or soil, "
            "and more sessions help where more photos of the same ones do not"
        ),
    ),
    "leaking_feature": (
        "no feature of a photo follows a measured mass closer than {limit:g}",
        (
            "find out what this feature is; one that was computed from the labels, or from what is "
            "known only after weighing, has to go"
        ),
    ),
    "twins_across_folds": (
        "each photo is there once",
        (
            "look at them; of copies remove one of each pair, or give both the same value "
            "in `data.group_columns`"
        ),
    ),
}


@dataclass(frozen=True)
class Alarm:
    """One sign, looked for.

    Attributes:
        name: For a machine.
        raised: Whether it was found.
        sentence: For a person: what was found, what was expected, and what to do if it is raised.
        value: What was compared; None if it could not be.
        limit: What it was compared to.
    """

    name: str
    raised: bool
    sentence: str
    value: float | None
    limit: float


def alarms(
    oof: pd.DataFrame,
    *,
    data: DataConfig,
    features: FeatureSet | None = None,
    comparison: Mapping[str, Any] | None = None,
) -> tuple[Alarm, ...]:
    """Look for signs of a leak.

    Args:
        oof: Out-of-fold predictions: `image_id, fold, group, target, y_true, y_pred, model`.
        data: Targets and weights.
        features: Of all photos; without them features are not looked at.
        comparison: As `compare_protocols` gives it; without it two alarms have no value.

    Returns:
        The same alarms every time, whether raised or not: `below_floor, group_identity,
        unrepeated_score, optimistic_gap`, and with features `leaking_feature, twins_across_folds`.
    """
    trial = Trial.of(oof, data=data)
    told = comparison or {}
    found = [
        below_floor(trial),
        group_identity(trial, told),
        unrepeated_score(trial, told),
        optimistic_gap(told),
    ]
    if features is not None:
        labels = oof.drop_duplicates(["image_id", "target"])
        found += [leaking_feature(features, labels), twins_across_folds(features, labels)]
    return tuple(found)


def below_floor(trial: Trial) -> Alarm:
    """The network, or the model chosen, scores less than the training means."""
    scores = trial.scores()
    margins = {m: scores[m] - scores[FLOOR] for m in _CHECKED if {m, FLOOR} <= set(scores)}
    if not margins:
        return _unknown("below_floor", 0.0, "there is no network or no constant to compare")
    worst = min(margins, key=lambda model: margins[model])
    told = (
        f"model {worst} scores {scores[worst]:.3f} on unseen groups, "
        f"and the constant {scores[FLOOR]:.3f}"
    )
    return _judged(
        "below_floor",
        margins[worst],
        0.0,
        raised=margins[worst] < 0.0,
        found=told,
    )


def group_identity(trial: Trial, comparison: Mapping[str, Any]) -> Alarm:
    """A grouped score above what knowing the session allows, and implausible within sessions.

    A model that recognises sessions reaches the R2 of the groups' mean labels at most. To be above
    it on unseen groups it has to tell photos of one session apart, as good features do. That is
    suspicious only if it does so better than labels can be measured again, or clearly better for
    sessions it has never seen than, in random folds, for sessions it knows.
    """
    scores, ceiling = trial.scores(), trial.identity_score()
    learnt = {model: score for model, score in scores.items() if model != FLOOR}
    best = max(learnt, key=lambda model: learnt[model], default=FLOOR)
    within = trial.within_score(best)
    if not learnt or ceiling is None or within is None:
        return _unknown("group_identity", _WITHIN_LIMIT, "no group has photos that differ")
    limit = min(_WITHIN_LIMIT, _known_within(comparison, best) + _WITHIN_GAIN_LIMIT)
    above = learnt[best] > ceiling
    told = (
        f"model {best} scores {learnt[best]:.3f} on unseen groups, where knowing every session's "
        f"mean would give {ceiling:.3f}{' (so it is above what that allows)' if above else ''}, "
        f"and predicts {within:.1%} of what photos of one session differ by"
    )
    if not above:
        return Alarm("group_identity", raised=False, sentence=told + ".", value=within, limit=limit)
    return _judged(
        "group_identity",
        within,
        limit,
        raised=within > limit,
        found=told,
    )


def unrepeated_score(trial: Trial, comparison: Mapping[str, Any]) -> Alarm:
    """The folds' own models score more than models trained afresh on folds dealt afresh."""
    again, scores = _means(comparison, "grouped"), trial.scores()
    gains = {model: scores[model] - again[model] for model in again if model in scores}
    gains.pop(FLOOR, None)
    if not gains:
        return _unknown("unrepeated_score", _REPEAT_LIMIT, "run `biomass validate`")
    worst = max(gains, key=lambda model: gains[model])
    return _judged(
        "unrepeated_score",
        gains[worst],
        _REPEAT_LIMIT,
        raised=gains[worst] > _REPEAT_LIMIT,
        found=f"model {worst} scores {scores[worst]:.3f} on the project's folds and "
        f"{again[worst]:.3f} where groups were dealt afresh and models trained afresh",
    )


def optimistic_gap(comparison: Mapping[str, Any]) -> Alarm:
    """Random folds score so much more than grouped ones that the session must be recognised."""
    gaps = {model: gap for model, gap in _gaps(comparison).items() if model != FLOOR}
    if not gaps:
        return _unknown("optimistic_gap", _GAP_LIMIT, "run `biomass validate`")
    worst = max(gaps, key=lambda model: gaps[model])
    return _judged(
        "optimistic_gap",
        gaps[worst],
        _GAP_LIMIT,
        raised=gaps[worst] > _GAP_LIMIT,
        found=f"model {worst} scores {gaps[worst]:+.3f} when photos of one group are on both sides",
    )


def leaking_feature(features: FeatureSet, labels: pd.DataFrame) -> Alarm:
    """One feature alone follows a target almost exactly, across groups and within them.

    Args:
        features: Of all photos.
        labels: `image_id, group, target, y_true`, each image and target once.
    """
    closest = closest_feature(features, labels)
    if closest is None:
        return _unknown("leaking_feature", _CORRELATION_LIMIT, "there are too few photos a group")
    return _judged(
        "leaking_feature",
        closest.correlation,
        _CORRELATION_LIMIT,
        raised=closest.correlation > _CORRELATION_LIMIT,
        found=f"feature {closest.feature} alone correlates {closest.correlation:.4f} with "
        f"{closest.target}, across groups and within them",
    )


def twins_across_folds(features: FeatureSet, labels: pd.DataFrame) -> Alarm:
    """A held-out photo looks like one that was learnt from: the same picture, saved twice.

    Args:
        features: Of all photos.
        labels: `image_id, fold`.
    """
    pairs = likeliest_twins(features, labels, above=_LIKENESS_LIMIT)
    shown = ", ".join(f"{pair.first} and {pair.second}" for pair in pairs[:_SHOWN])
    return _judged(
        "twins_across_folds",
        float(len(pairs)),
        0.0,
        raised=bool(pairs),
        found=f"{len(pairs)} pair(s) of photos in different folds have nearly the same features"
        + (f": {shown}" if shown else ""),
    )


def _judged(name: str, value: float, limit: float, *, raised: bool, found: str) -> Alarm:
    expected, advice = _EXPECTED[name]
    told = f"{found}; {expected.format(limit=limit)}" + (f". To do: {advice}." if raised else ".")
    return Alarm(name, raised, told[0].upper() + told[1:], value, limit)


def _unknown(name: str, limit: float, reason: str) -> Alarm:
    return Alarm(name, raised=False, sentence=f"Not looked at: {reason}.", value=None, limit=limit)


def _family(comparison: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    for family in comparison.get("protocols", {}).values():
        if family["kind"] == kind:
            yield family["models"]


def _means(comparison: Mapping[str, Any], kind: str) -> dict[str, float]:
    return {
        model: found["weighted_r2"]["mean"]
        for models in _family(comparison, kind)
        for model, found in models.items()
        if found["weighted_r2"]["mean"] is not None
    }


def _gaps(comparison: Mapping[str, Any]) -> Mapping[str, float]:
    gaps: Mapping[str, float] = comparison.get("random_minus_grouped", {})
    return gaps


def _known_within(comparison: Mapping[str, Any], model: str) -> float:
    """What the model predicts within sessions that it has seen; 1 if random folds did not run."""
    for models in _family(comparison, "random"):
        if model in models and models[model]["within_r2"] is not None:
            return float(models[model]["within_r2"])
    return 1.0
