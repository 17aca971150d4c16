"""Whether a calibration helps: each cut predicted by what the others tell."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.inference.calibration import calibrate_weighed, rows_of
from biomass_pipeline.inference.shifts import SitePrior
from biomass_pipeline.inference.weighing import Weighing
from biomass_pipeline.mil.predictive import Predictive

Floats = NDArray[np.float64]

# Smaller differences of the leave-one-out error are chance with a few dozen cuts.
_CLEAR_GAIN, _CLEAR_LOSS = 0.02, 0.05


@dataclass(frozen=True)
class CrossCheck:
    """Errors at the cuts, each predicted without itself.

    Attributes:
        targets: Those of which anything was weighed.
        n_weighed: How many cuts tell of each target.
        before: Root mean square error of the trained model, one a target, in its unit.
        after: The same of the calibrated one.
        weighted_before: Root of the metric's weighted mean square error of these targets.
        weighted_after: The same of the calibrated one.
    """

    targets: tuple[str, ...]
    n_weighed: tuple[int, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    weighted_before: float
    weighted_after: float

    @property
    def change(self) -> float:
        """How much larger the weighted error became, as a share; negative is better."""
        if self.weighted_before == 0:
            return float(self.weighted_after > 0)
        return self.weighted_after / self.weighted_before - 1.0

    @property
    def recommended(self) -> bool:
        """Whether the calibrated predictions should be used."""
        return self.change <= _CLEAR_LOSS

    @property
    def sentence(self) -> str:
        """Whether to use it, for a person."""
        figures = (
            f"leaving each cut out in turn, the weighted error goes from "
            f"{self.weighted_before:.3g} to {self.weighted_after:.3g} ({self.change:+.0%})"
        )
        if self.change <= -_CLEAR_GAIN:
            return f"Use it: {figures}."
        if self.recommended:
            return f"It changes little and does no harm: {figures}."
        return f"Do not use it: {figures}. Check the cuts, or weigh more of them."

    def to_plain(self) -> dict[str, Any]:
        """For JSON."""
        columns = zip(self.targets, self.n_weighed, self.before, self.after, strict=True)
        return {
            "weighted_before": self.weighted_before,
            "weighted_after": self.weighted_after,
            "targets": [
                {"target": name, "n_weighed": n, "before": before, "after": after}
                for name, n, before, after in columns
            ],
            "recommended": self.recommended,
            "sentence": self.sentence,
        }


def cross_check(predictive: Predictive, cuts: Weighing, *, prior: SitePrior) -> CrossCheck:
    """Predict each cut by a calibration on all the others.

    Sums that follow from what was weighed are compared too.

    Args:
        predictive: The model's predictions, of the cut photos among others.
        cuts: At least one mass.
        prior: As `learn_prior` finds it.

    Raises:
        UnknownCutsError: A cut is of a photo that was not predicted.
        ValueError: Nothing was weighed.
    """
    components, truth = predictive.components[rows_of(predictive, cuts)], cuts.implied()
    if not np.isfinite(truth).any():
        msg = "a cross-check needs at least one mass"
        raise ValueError(msg)
    left_out = np.concatenate(
        [
            calibrate_weighed(predictive, cuts.without(i), prior=prior).points(components[[i]])
            for i in range(len(cuts))
        ]
    )
    targets = predictive.targets
    known = np.isfinite(truth).any(axis=0)
    before, after = (
        np.nanmean((truth - targets.sums(each))[:, known] ** 2, axis=0)
        for each in (components, left_out)
    )
    weight = np.array(targets.weights)[known]
    weight = weight / weight.sum() if weight.sum() > 0 else np.full(len(weight), 1 / len(weight))
    return CrossCheck(
        targets=tuple(np.array(targets.names)[known].tolist()),
        n_weighed=tuple(np.isfinite(truth)[:, known].sum(axis=0).tolist()),
        before=tuple(np.sqrt(before).tolist()),
        after=tuple(np.sqrt(after).tolist()),
        weighted_before=float(np.sqrt(before @ weight)),
        weighted_after=float(np.sqrt(after @ weight)),
    )
