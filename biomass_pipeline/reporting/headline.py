"""The result in plain words: what a reader who reads one sentence should take away."""

from collections import Counter
from typing import Final

from biomass_pipeline.config import DataConfig
from biomass_pipeline.reporting.scores import Contest, GlobalScore, Scores
from biomass_pipeline.reporting.table import count, number, share
from biomass_pipeline.reporting.table import score as decimal

# Closer than this in R2, two models are said to be level where nothing else tells.
_LEVEL: Final = 0.005
# What is usually taken as unlikely to be chance.
_UNLIKELY: Final = 0.05
# Cohen 1988, Statistical Power Analysis for the Behavioral Sciences, section 2.2.
_EFFECTS: Final = ((0.2, "negligible"), (0.5, "small"), (0.8, "medium"))

_SUBJECTS: Final = {
    "mil": "The network",
    "ridge": "The ridge baseline",
    "stack": "The stack of network and ridge",
    "auto": "The automatically chosen model",
    "constant": "The floor, a constant guess,",
}
_TAKEN: Final = {"mil": "the network", "ridge": "the ridge", "stack": "the stack of both"}


def headline(scores: Scores, *, data: DataConfig) -> str:
    """One sentence on how well held-out measurements are predicted, beside the floor."""
    model = _speaks_of(scores)
    found, floor = scores.models.get(model), scores.models.get("constant")
    if found is None or found.r2 is None:
        return "The predictions cannot be scored: see the table for what is missing."
    subject, quantity, unseen = subject_of(model), _quantity(data), unseen_groups(data)
    if found.r2 <= 0:
        achieved = (
            f"{subject} explains none of the variation in {quantity} on {unseen} it never saw "
            f"(R² {decimal(found.r2)})"
        )
    else:
        achieved = (
            f"{subject} explains {share(found.r2)} of the variation in {quantity} on {unseen} "
            f"it never saw"
        )
    return f"{achieved}; {_floor(floor)}."


def verdicts(scores: Scores, *, data: DataConfig) -> list[str]:
    """Which model it is and why, whether it beats the ridge, and whether it beats the floor."""
    model = _speaks_of(scores)
    found, ridge, floor = (_r2(scores, name) for name in (model, "ridge", "constant"))
    sentences = [_choice(scores)] if scores.choices and model == "auto" else []
    if found is not None and ridge is not None and model not in {"ridge", "constant"}:
        sentences.append(_against_ridge(scores, model, found=found, ridge=ridge, data=data))
    if found is not None and floor is not None and model != "constant" and found <= floor:
        sentences.append(
            f"{subject_of(model)} does not beat the floor, a constant guess: it has learned "
            f"nothing useful."
        )
    return sentences


def subject_of(model: str) -> str:
    """A model at the beginning of a sentence."""
    return _SUBJECTS.get(model, f"The model {model}")


def unseen_groups(data: DataConfig) -> str:
    """What is held out, in a reader's words."""
    if not data.group_columns:
        return "photos"
    return "sessions" if data.date_column in data.group_columns else "groups"


def _speaks_of(scores: Scores) -> str:
    """The model that predicts; the network or else the ridge where nobody said."""
    if scores.headline is not None:
        return scores.headline
    return "mil" if "mil" in scores.models else "ridge"


def _choice(scores: Scores) -> str:
    taken = Counter(choice.model for choice in scores.choices)
    parts = [f"{_TAKEN.get(model, model)} in {count(n)}" for model, n in taken.most_common()]
    told = f"{', '.join(parts)} of {count(len(scores.choices))} folds"
    return (
        f"In each fold the choice was made on inner groups of the training photos, never on the "
        f"photos it is scored on: {told}."
    )


def _against_ridge(
    scores: Scores, model: str, *, found: float, ridge: float, data: DataConfig
) -> str:
    contest = scores.contest(model, "ridge")
    if contest is None or contest.p_value is None:
        return _by_score_alone(model, found, ridge)
    it = "It" if found > ridge else subject_of(model)
    if contest.low == contest.difference == contest.high == 0:
        return f"{it} {_outcome(contest, ridge)}"
    return f"{it} {_outcome(contest, ridge)} {_odds(contest, data)}{_effect(contest, data)}"


def _outcome(contest: Contest, ridge: float) -> str:
    reaches = f"the ridge baseline, which reaches {share(ridge)} from the same features"
    unlikely = contest.p_value is not None and contest.p_value < _UNLIKELY
    if contest.difference > 0 and unlikely:
        return f"beats {reaches}."
    if contest.difference > 0:
        return f"is ahead of {reaches}, but by no more than chance explains."
    if contest.difference == 0:
        return f"is level with {reaches}: it predicts the same."
    return (
        f"does not beat {reaches}: prefer the ridge, or train differently."
        if unlikely
        else f"does not beat {reaches}; the two are too close to tell apart."
    )


def _odds(contest: Contest, data: DataConfig) -> str:
    between = (
        f"The difference is {decimal(contest.difference)} in R², 95 % interval "
        f"{decimal(contest.low)} to {decimal(contest.high)}"
    )
    return (
        f"{between}; if both were equally good, the luck of which {unseen_groups(data)} were "
        f"sampled would make one as large in {share(contest.p_value)} of surveys "
        f"(p = {number(contest.p_value, digits=2)})."
    )


def _effect(contest: Contest, data: DataConfig) -> str:
    if contest.effect is None:
        return ""
    size = next((word for limit, word in _EFFECTS if abs(contest.effect) < limit), "large")
    one = unseen_groups(data).removesuffix("s")
    return (
        f" From {one} to {one} the effect is {size} (Cohen's d {number(contest.effect, digits=2)})."
    )


def _by_score_alone(model: str, found: float, ridge: float) -> str:
    if found > ridge + _LEVEL:
        return f"It beats the ridge baseline, which reaches {share(ridge)} from the same features."
    if found > ridge:
        return f"It is level with the ridge baseline ({share(ridge)} from the same features)."
    return (
        f"{subject_of(model)} does not beat the ridge baseline, which reaches {share(ridge)} from "
        f"the same features: prefer the ridge, or train differently."
    )


def _quantity(data: DataConfig) -> str:
    if all(target.unit == "g" for target in data.targets):
        return "weighed biomass"
    return f"measured {data.target_names[0]}" if len(data.targets) == 1 else "the measured targets"


def _floor(found: GlobalScore | None) -> str:
    if found is None or found.r2 is None:
        return "the floor is not known"
    if found.r2 <= 0:
        return "the floor, a constant guess, explains nothing"
    return f"the floor, a constant guess, is {share(found.r2)}"


def _r2(scores: Scores, model: str) -> float | None:
    found = scores.models.get(model)
    return found.r2 if found else None
