"""Whether sums among the targets hold: in labels up to a tolerance, in predictions exactly."""

from typing import Final

import numpy as np
import pandas as pd

from biomass_pipeline.config import DataConfig
from biomass_pipeline.evaluation.finding import Finding

# Sums of float64 that were added in another order, or went through float32, differ by less.
_ROUNDING: Final = 1e-5


def check_label_sums(labels: pd.DataFrame, data: DataConfig) -> Finding:
    """Compare each sum with its parts.

    Off by more than the tolerance is told; off by more than the gross fraction as well is grave.

    Args:
        labels: One row a photo: `image_id` and the targets.
        data: Identities, `identity_tolerance` and `identity_gross_fraction`.
    """
    if not data.identities:
        return Finding(passed=True, sentence="No sums among the targets are configured.")
    gaps = _gaps(labels.set_index("image_id"), data)
    off = gaps[gaps["gap"] > data.identity_tolerance]
    gross = off["gap"] > data.identity_gross_fraction * off[["stated", "summed"]].max(axis=1)
    told = (
        f"{len(off)} of {len(gaps)} sums are off by more than {data.identity_tolerance:g}, "
        f"{int(gross.sum())} of them by more than {data.identity_gross_fraction:.0%}"
    )
    advice = ": weigh or type these again." if len(off) else "."
    facts = {"sums": len(gaps), "widest_gap": _widest(gaps), "gross": int(gross.sum())}
    return Finding(not len(off), told + advice, off, facts, grave=bool(gross.any()))


def check_predicted_sums(predictions: pd.DataFrame, data: DataConfig) -> Finding:
    """Compare each predicted sum with its predicted parts: they are exact, or a bug.

    Args:
        predictions: `image_id, target, y_pred`, and `model` where there are several.
        data: Identities.
    """
    if not data.identities or not len(predictions):
        return Finding(passed=True, sentence="There are no predicted sums.")
    by = ["model", "image_id"] if "model" in predictions else ["image_id"]
    wide = predictions.pivot_table(index=by, columns="target", values="y_pred", dropna=False)
    known = [*data.identities, *(part for parts in data.identities.values() for part in parts)]
    if lacking := sorted({*known} - {*wide.columns}):
        told = f"Sums cannot be added up: {', '.join(lacking)} is not predicted."
        return Finding(passed=False, sentence=told)
    gaps = _gaps(wide, data)
    largest = np.maximum(gaps[["stated", "summed"]].abs().max(axis=1), 1.0)
    off = gaps[~(gaps["gap"] <= _ROUNDING * largest)]
    told = f"{len(off)} of {len(gaps)} predicted sums are not exact."
    return Finding(not len(off), told, off, {"sums": len(gaps), "widest_gap": _widest(gaps)})


def _gaps(wide: pd.DataFrame, data: DataConfig) -> pd.DataFrame:
    """One row a photo and sum, the widest gap first: the index, `sum, stated, summed, gap`."""
    parts = [
        pd.DataFrame(
            {"sum": name, "stated": wide[name], "summed": wide[list(of)].sum(axis=1, skipna=False)}
        )
        for name, of in data.identities.items()
    ]
    table = pd.concat(parts).reset_index()
    table["gap"] = (table["stated"] - table["summed"]).abs()
    return table.sort_values("gap", ascending=False, kind="stable", ignore_index=True)


def _widest(gaps: pd.DataFrame) -> float:
    """The widest gap; 0 where there is none, or where it is not known."""
    return float(gaps["gap"].max()) if gaps["gap"].notna().any() else 0.0
