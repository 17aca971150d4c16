"""The result in plain words: what a reader who reads one sentence should take away."""

from typing import Final

from biomass_pipeline.config import DataConfig
from biomass_pipeline.reporting.scores import GlobalScore, Scores
from biomass_pipeline.reporting.table import score as decimal
from biomass_pipeline.reporting.table import share

# Closer than this in R2, two models are said to be level.
_LEVEL: Final = 0.005


def headline(scores: Scores, *, data: DataConfig) -> str:
    """One sentence on how well held-out measurements are predicted, beside the floor."""
    model, name = ("mil", "network") if "mil" in scores.models else ("ridge", "ridge baseline")
    found, floor = scores.models.get(model), scores.models.get("constant")
    if found is None or found.r2 is None:
        return "The predictions cannot be scored: see the table for what is missing."
    quantity, unseen = _quantity(data), unseen_groups(data)
    if found.r2 <= 0:
        achieved = (
            f"The {name} explains none of the variation in {quantity} on {unseen} it never saw "
            f"(R² {decimal(found.r2)})"
        )
    else:
        achieved = (
            f"The {name} explains {share(found.r2)} of the variation in {quantity} on {unseen} "
            f"it never saw"
        )
    return f"{achieved}; {_floor(floor)}."


def verdicts(scores: Scores) -> list[str]:
    """Whether the network is worth its while: against the ridge, and against the floor."""
    mil, ridge = _r2(scores, "mil"), _r2(scores, "ridge")
    floor = _r2(scores, "constant")
    sentences = []
    if mil is not None and ridge is not None:
        sentences.append(_against_ridge(mil, ridge))
    if mil is not None and floor is not None and mil <= floor:
        sentences.append(
            "The network does not beat the floor, a constant guess: it has learned nothing useful."
        )
    return sentences


def unseen_groups(data: DataConfig) -> str:
    """What is held out, in a reader's words."""
    if not data.group_columns:
        return "photos"
    return "sessions" if data.date_column in data.group_columns else "groups"


def _against_ridge(mil: float, ridge: float) -> str:
    if mil > ridge + _LEVEL:
        return f"It beats the ridge baseline, which reaches {share(ridge)} from the same features."
    if mil > ridge:
        return f"It is level with the ridge baseline ({share(ridge)} from the same features)."
    return (
        f"The network does not beat the ridge baseline, which reaches {share(ridge)} from the same "
        f"features: prefer the ridge, or train the network differently."
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
