"""Whether features look as those of the same extraction did before: their norms, dead columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.evaluation.finding import Finding
from biomass_pipeline.store.bags import FeatureSet

# Tiles' spreads between the medians of two folds. Folds of other sessions differ by some tenths.
_NORM_LIMIT: Final = 3.0
_SPREAD_FLOOR: Final = 0.05  # of the median, where all tiles have the same norm
# Weights-free features count rare textures: some never occur in a fold.
_DEAD_LIMIT: Final = 0.25
_FEWEST_ROWS: Final = 32
_ROWS_AT_ONCE: Final = 4096
_QUARTILES: Final = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class FeatureSummary:
    """A fold's features in a few numbers.

    Attributes:
        n_rows: Feature rows.
        n_dimensions: Their width.
        n_dead: Dimensions that are the same in all rows.
        norm_median: Median Euclidean norm of the finite rows; NaN if there is none.
        norm_spread: Half the width between its quartiles.
    """

    n_rows: int
    n_dimensions: int
    n_dead: int
    norm_median: float
    norm_spread: float

    @classmethod
    def of(cls, features: FeatureSet) -> "FeatureSummary":
        """Read the features once, some rows at a time."""
        rows = features.features
        norms = _norms(rows)
        known = norms[np.isfinite(norms)]
        low, middle, high = np.quantile(known, _QUARTILES) if len(known) else (np.nan,) * 3
        varies = (rows != rows[:1]).any(axis=0) if len(rows) else np.zeros(rows.shape[1], bool)
        return cls(
            n_rows=len(rows),
            n_dimensions=int(rows.shape[1]),
            n_dead=int((~varies).sum()),
            norm_median=float(middle),
            norm_spread=float(high - low) / 2,
        )

    def metadata(self) -> dict[str, float | int]:
        """What later extractions are compared with; nothing where there is no row."""
        if not np.isfinite(self.norm_median):
            return {}
        return {
            "norm_median": self.norm_median,
            "norm_spread": self.norm_spread,
            "dead_dimensions": self.n_dead,
        }


def check_dead_dimensions(summary: FeatureSummary) -> Finding:
    """Whether most dimensions tell rows apart."""
    if summary.n_rows < _FEWEST_ROWS:
        told = f"{summary.n_rows} rows are too few to tell a dead dimension from a rare one."
        return Finding(passed=True, sentence=told)
    share = summary.n_dead / max(summary.n_dimensions, 1)
    passed = share <= _DEAD_LIMIT
    told = (
        f"{summary.n_dead} of {summary.n_dimensions} dimensions are the same in all rows; the "
        f"limit is {_DEAD_LIMIT:.0%}."
    )
    advice = " To do: look at the photos of this fold, and at the weights of the backbone."
    facts = {"dead": summary.n_dead, "share": share, "limit": _DEAD_LIMIT}
    return Finding(passed, told if passed else told + advice, facts=facts)


def check_norms(summary: FeatureSummary, past: Sequence[Mapping[str, float]]) -> Finding:
    """Compare the median norm with those of earlier folds and runs of the same extraction.

    Args:
        summary: Of the features.
        past: What `FeatureSummary.metadata` gave of each, the latest first.
    """
    if not np.isfinite(summary.norm_median):
        return Finding(passed=True, sentence="There is no row to compare.")
    if not past:
        told = f"The median norm is {summary.norm_median:.4g}; there is no earlier one to compare."
        return Finding(passed=True, sentence=told)
    medians = np.array([each["norm_median"] for each in past], dtype=float)
    spreads = np.array([each["norm_spread"] for each in past], dtype=float)
    usual = float(np.median(medians))
    spread = max(float(np.median(spreads)), summary.norm_spread, _SPREAD_FLOOR * abs(usual))
    apart = abs(summary.norm_median - usual)
    passed = apart <= _NORM_LIMIT * spread
    told = (
        f"The median norm is {summary.norm_median:.4g}; {len(past)} earlier ones of this "
        f"extraction have a median of {usual:.4g} and tiles spread by {spread:.4g}."
    )
    advice = " To do: compare the photos, the precision and the device with those of earlier runs."
    facts = {"median": summary.norm_median, "usual": usual, "spread": spread}
    return Finding(passed, told if passed else told + advice, facts=facts)


def _norms(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    parts = [
        np.linalg.norm(rows[start : start + _ROWS_AT_ONCE].astype(np.float64), axis=1)
        for start in range(0, len(rows), _ROWS_AT_ONCE)
    ]
    return np.concatenate([np.empty(0), *parts])
