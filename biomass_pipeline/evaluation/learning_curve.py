"""How much more groups would bring: the same photos predicted from a share of the groups."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from biomass_pipeline.evaluation.splits import MIN_GROUPS, Plan, Split


def partial_plan(plan: Plan, labels: pd.DataFrame, *, share: float, seed: int) -> Plan:
    """Learn from a share of each split's training groups and predict the same photos.

    The groups of a larger share hold those of a smaller one, so that a curve over shares shows
    what more groups bring and not which groups were lucky.

    Args:
        plan: The splits to thin out.
        labels: Columns `image_id` and `group`.
        share: Of the training groups, above 0; two groups at least are kept.
        seed: Of the order in which groups are taken.
    """
    if share >= 1:
        return plan
    group_of = labels.set_index("image_id")["group"]
    splits = []
    for number, split in enumerate(plan.splits):
        groups = group_of.loc[list(split.train_ids)]
        names = np.array(sorted(groups.unique()), dtype=object)
        count = min(max(MIN_GROUPS, round(share * len(names))), len(names))
        kept = np.random.default_rng([seed, number]).permutation(names)[:count]
        train = tuple(groups.index[groups.isin(set(kept))])
        splits.append(Split(split.name, train, split.test_ids))
    return Plan(tuple(splits), plan.remarks)


def curve_of(
    trials: Sequence[tuple[float, float, Mapping[str, float]]],
) -> list[dict[str, Any]]:
    """Scores against the share of training groups, a point a model and share.

    Args:
        trials: Share, mean number of training groups, and score by model, one a seed and share;
            whole training sets have the share 1.

    Returns:
        Ready for JSON, by model, then share: `model, share, n_train_groups, mean, sd, values,
        step`: the sd is over seeds, and the step is what this point adds to the one before.
        Empty if no share but 1 was tried.
    """
    shares = sorted({share for share, _, _ in trials})
    if len(shares) <= 1:
        return []
    points: list[dict[str, Any]] = []
    for model in sorted({model for _, _, scores in trials for model in scores}):
        before: float | None = None
        for share in shares:
            point = _point(model, [trial for trial in trials if trial[0] == share])
            if point is not None:
                step = None if before is None else point["mean"] - before
                points.append({"model": model, "share": share, **point, "step": step})
                before = point["mean"]
    return points


def _point(
    model: str, trials: Sequence[tuple[float, float, Mapping[str, float]]]
) -> dict[str, Any] | None:
    values = [scores[model] for _, _, scores in trials if model in scores]
    if not values:
        return None
    return {
        "n_train_groups": float(np.mean([n for _, n, scores in trials if model in scores])),
        "mean": float(np.mean(values)),
        "sd": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "values": values,
    }
