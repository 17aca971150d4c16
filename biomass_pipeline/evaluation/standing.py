"""Whether the model in use is worth its place: over the floor, over last time, with true bounds."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd
from scipy.special import bdtr

from biomass_pipeline.evaluation.finding import Finding

_FLOOR: Final = "constant"
# Two-sided, for each level of intervals.
_CHANCE: Final = 0.01


def standing(metrics: Mapping[str, Any]) -> dict[str, float | str]:
    """What the next evaluation is compared with: the model in use, its score and its interval."""
    model = str(metrics["headline_model"])
    found = metrics["models"][model]
    told: dict[str, float | str] = {"headline_model": model}
    if found["weighted_r2"] is not None:
        told["weighted_r2"] = float(found["weighted_r2"])
    if found["weighted_r2_interval"] is not None:
        lower, upper = found["weighted_r2_interval"]
        told |= {"weighted_r2_lower": float(lower), "weighted_r2_upper": float(upper)}
    return told


def check_floor(metrics: Mapping[str, Any]) -> Finding:
    """Whether the model in use beats the constant by more than chance in the choice of groups."""
    model = metrics["headline_model"]
    pairs = [
        pair
        for pair in metrics.get("comparisons", [])
        if (pair["model"], pair["against"]) == (model, _FLOOR)
    ]
    if not pairs:
        told = f"Model {model} has no constant beside it to be compared with."
        return Finding(passed=model != _FLOOR, sentence=told)
    (pair,) = pairs
    difference, lower = pair["difference"], pair["lower"]
    passed = difference > 0 if lower is None else lower > 0
    told = f"Model {model} scores {difference:+.3f} R2 over the constant, "
    told += (
        "and a single group says nothing about others."
        if lower is None
        else f"95 % interval {lower:+.3f} to {pair['upper']:+.3f} from {pair['n_groups']} groups."
    )
    advice = " To do: trust the constant until there are more groups; see `biomass validate`."
    facts = {"difference": float(difference), "groups": int(pair["n_groups"])}
    if lower is not None:
        facts |= {"lower": float(lower), "upper": float(pair["upper"])}
    return Finding(passed, told if passed else told + advice, facts=facts)


def check_standing(metrics: Mapping[str, Any], past: Sequence[Mapping[str, Any]]) -> Finding:
    """Whether the score is within the interval of the previous evaluation, or above it.

    Args:
        metrics: The present ones.
        past: What `standing` gave of earlier evaluations, the latest first.
    """
    now = standing(metrics)
    r2, earlier = now.get("weighted_r2"), [each for each in past if "weighted_r2" in each]
    if r2 is None:
        return Finding(passed=True, sentence="There is no score to compare.")
    if not earlier:
        told = f"R2 {r2:.3f}; there is no earlier one to compare."
        return Finding(passed=True, sentence=told, facts={"r2": float(r2)})
    last = earlier[0]
    lower = last.get("weighted_r2_lower")
    facts = {"r2": float(r2), "earlier_r2": float(last["weighted_r2"])}
    told = f"R2 {r2:.3f} ({now['headline_model']}) after {last['weighted_r2']:.3f} "
    if lower is None:
        told += f"({last['headline_model']}), which has no interval to compare with."
        return Finding(passed=True, sentence=told, facts=facts)
    passed = float(r2) >= float(lower)
    told += f"({last['headline_model']}), whose 95 % interval begins at {lower:.3f}."
    advice = " To do: look at what changed since: labels, photos, `training`."
    facts["earlier_lower"] = float(lower)
    return Finding(passed, told if passed else told + advice, facts=facts)


def check_coverage(metrics: Mapping[str, Any]) -> Finding:
    """Whether the intervals of the model in use hold as many labels as they promise.

    Photos of a group are right or wrong together, so groups are counted, and weigh alike: a level
    is called wrong where so few or so many of `n_groups` would be held by chance in less than 1 %
    of surveys.
    """
    model = metrics["headline_model"]
    n_groups, found = int(metrics["n_groups"]), metrics["models"][model]["intervals"]
    rows = [
        (f"{name} %", line["group_coverage"], *coverage_range(float(name) / 100, n_groups))
        for name, line in found.items()
        if line["group_coverage"] is not None
    ]
    table = pd.DataFrame(rows, columns=["level", "coverage", "lowest", "highest"])
    if not len(table):
        told = "No level has intervals: there are too few groups to promise any."
        return Finding(passed=True, sentence=told)
    off = table[~table["coverage"].between(table["lowest"], table["highest"])]
    told = ", ".join(
        f"{level} intervals hold {coverage:.1%}"
        for level, coverage in zip(table["level"], table["coverage"], strict=True)
    )
    told = f"{told} of the labels of {n_groups} groups, weighed alike (model {model})."
    advice = f" That is more than chance for {', '.join(off['level'])}." if len(off) else ""
    held = zip(table["level"].str.removesuffix(" %"), table["coverage"], strict=True)
    facts = {f"coverage_{level}": float(coverage) for level, coverage in held}
    return Finding(not len(off), told[0].upper() + told[1:] + advice, table, facts)


def coverage_range(level: float, n_groups: int) -> tuple[float, float]:
    """The lowest and highest share of groups that is no surprise, if the level is kept.

    >>> coverage_range(0.9, 40)
    (0.75, 1.0)
    """
    tail = _CHANCE / 2
    counts = range(n_groups + 1)
    held = [k for k in counts if bdtr(k, n_groups, level) > tail]
    beyond = [k for k in counts if k == 0 or 1 - bdtr(k - 1, n_groups, level) > tail]
    return held[0] / max(n_groups, 1), beyond[-1] / max(n_groups, 1)
