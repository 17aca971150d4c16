"""Is one model better than another? Paired on the same photos, by bootstrap over groups."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from biomass_pipeline.evaluation.board import Board
from biomass_pipeline.scoring import compare_models

_FLOOR: Final = "constant"
_BASELINE: Final = "ridge"


def paired_comparisons(
    boards: Mapping[str, Board], *, seed: int, n_resamples: int
) -> list[dict[str, Any]]:
    """Each model against the ridge, and each against the floor.

    Args:
        boards: By model, all of the same photos.
        seed: Of the draws of groups.
        n_resamples: How many draws.

    Returns:
        By pair: `model, against, difference` in global R2 with its 95 % interval (`lower, upper`),
        `p_value`, `effect_size` and `n_groups`, as `scoring.PairedComparison` explains them. None
        with a single group, which says nothing about others.
    """
    return [
        {
            "model": model,
            "against": other,
            **_compared(boards[model], boards[other], seed=seed, n_resamples=n_resamples),
        }
        for model, other in _pairs(boards)
    ]


def _pairs(boards: Mapping[str, Board]) -> Iterator[tuple[str, str]]:
    for other in (_BASELINE, _FLOOR):
        if other in boards:
            yield from ((model, other) for model in boards if model not in {other, _FLOOR})


def _compared(first: Board, second: Board, *, seed: int, n_resamples: int) -> dict[str, Any]:
    found = compare_models(
        first.true,
        (first.pred, second.pred),
        first.groups,
        column_weights=first.column_weights,
        chance=np.random.default_rng(seed),
        n_resamples=n_resamples,
    )
    alone = {"lower": None, "upper": None, "p_value": None} if found.n_groups == 1 else {}
    return asdict(found) | alone
