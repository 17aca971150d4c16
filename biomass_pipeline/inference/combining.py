"""What several folds say of the same photos as one prediction, wider where they disagree.

Write x for a photo, k = 1..K for the folds, and for a target of fold k's model: its point `y_k(x)`,
its group-conformal half-width `h_k(x)` at level L (see `scoring.intervals`), its draws `D_k(x)`.

- Points: components are averaged, `b(x) = mean_k b_k(x)`, and targets follow, `y = S b`. S is
  linear, so identities hold as exactly as in each fold, and `y = mean_k y_k`.
- Draws: the mixture of the folds' predictive distributions in equal shares, so its variance is
  `mean_k Var D_k + Var_k (mean D_k)`: what each fold doubts, and what they doubt in each other
  (Lakshminarayanan, Pritzel and Blundell 2017, Simple and scalable predictive uncertainty
  estimation using deep ensembles, section 2.4, arXiv 1612.01474). Each draw adds up by itself.
- Intervals: `y(x) +- h(x)` with

      h(x)^2 = (mean_k h_k(x))^2 + (q_L s(x))^2,    s(x)^2 = mean_k (y_k(x) - y(x))^2,

  `q_L` the normal quantile at (1 + L) / 2. The first part alone is the mean of the folds' bounds,
  quantiles averaged over models (Lichtendahl, Grushka-Cockayne and Winkler 2013, Management Science
  59:1594). The second is the mixture's second part: were every fold normal with sd `h_k / q_L`, all
  alike, the result would be exactly the interval of a normal with the mixture's variance. So folds
  that agree give the mean width, none is narrower, and it grows with the disagreement.

Lower bounds are cut at 0. A level that a fold cannot promise is promised by none (NaN).

How it covers: a fold's interval covers a photo of a new group as promised; the mean of K points
errs, in squares, no more than they do on average, so the mean width is enough on average over
photos. The widening comes on top, where folds are in doubt, so intervals tend to cover more than
their level. There is no finite-sample guarantee for the combination; CV+ has one (Barber, Candes,
Ramdas and Tibshirani 2021, Annals of Statistics 49:486), but 1 - 2 (1 - L) only.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from biomass_pipeline.mil.predictive import PredictionSpec, Predictive
from biomass_pipeline.mil.targets import TargetSpec
from biomass_pipeline.scoring import ErrorVariance

Floats = NDArray[np.float64]

_KG_A_HA = 10.0  # of a gram a square metre


@dataclass(frozen=True)
class EnsemblePrediction:
    """What all folds together say of photos, in the targets' units.

    Attributes:
        predictive: Points, widened intervals and the draws of all folds.
        novelty: Shape (photo,): how unlike the training photos, 0 to 100; NaN if unknown.
        disagreement: Shape (photo, target): the standard deviation of the folds' points.
        variance: One a target: what errors on unseen groups share and do not share; NaN where
            a fold knew one group only.
    """

    predictive: Predictive
    novelty: Floats
    disagreement: Floats
    variance: tuple[ErrorVariance, ...]

    @property
    def targets(self) -> TargetSpec:
        """What is predicted."""
        return self.predictive.targets

    @classmethod
    def concatenate(cls, parts: Sequence["EnsemblePrediction"]) -> "EnsemblePrediction":
        """Join predictions of different photos by the same ensemble."""
        first, each = parts[0], [part.predictive for part in parts]
        whole = replace(
            first.predictive,
            image_ids=tuple(name for part in each for name in part.image_ids),
            components=np.concatenate([part.components for part in each]),
            lower=np.concatenate([part.lower for part in each], axis=1),
            upper=np.concatenate([part.upper for part in each], axis=1),
            draws=np.concatenate([part.draws for part in each], axis=1),
        )
        return cls(
            whole,
            novelty=np.concatenate([part.novelty for part in parts]),
            disagreement=np.concatenate([part.disagreement for part in parts]),
            variance=first.variance,
        )

    def frame(
        self, quadrat_area_m2: float, *, in_grams: Collection[str] | None = None
    ) -> pd.DataFrame:
        """A row a photo and target, in their order.

        Args:
            quadrat_area_m2: The ground that a photo shows.
            in_grams: The targets that are weighed in grams; all if None.

        Returns:
            The columns of `Predictive.frame` (`image_id, target, y_pred, y_lower, y_upper`,
            `y_lower_50, y_upper_50` and so on, `p_zero`), then `kg_dm_ha, kg_dm_ha_lower,
            kg_dm_ha_upper` (headline level; NaN for targets that are not in grams), `fold_sd` in
            the target's unit, and `ood_percentile`.
        """
        frame, names = self.predictive.frame(), self.targets.names
        per_ha = kg_dm_ha_of(frame["target"], quadrat_area_m2, in_grams=in_grams)
        return frame.assign(
            kg_dm_ha=frame["y_pred"] * per_ha,
            kg_dm_ha_lower=frame["y_lower"] * per_ha,
            kg_dm_ha_upper=frame["y_upper"] * per_ha,
            fold_sd=self.disagreement.ravel(),
            ood_percentile=np.repeat(self.novelty, len(names)),
        )


def combine(
    folds: Sequence[Predictive], *, novelty: Floats, variance: tuple[ErrorVariance, ...]
) -> EnsemblePrediction:
    """One prediction of what every fold says, as the module describes.

    Args:
        folds: Of the same photos in the same order, with the same levels and targets.
        novelty: Shape (photo,).
        variance: One a target.

    Raises:
        ValueError: The folds do not speak of the same photos.
    """
    first = folds[0]
    if any(fold.image_ids != first.image_ids for fold in folds):
        msg = "folds to combine must predict the same photos in the same order"
        raise ValueError(msg)
    points = np.stack([fold.y for fold in folds])
    components = np.mean([fold.components for fold in folds], axis=0)
    y = first.targets.sums(components)
    disagreement = np.sqrt(((points - y) ** 2).mean(axis=0))
    half = widened(
        np.stack([fold.upper - fold.y for fold in folds]), disagreement, levels=first.levels
    )
    predictive = replace(
        first,
        components=components,
        lower=np.maximum(y - half, 0.0),
        upper=y + half,
        draws=np.concatenate([fold.draws for fold in folds]),
    )
    return EnsemblePrediction(predictive, novelty, disagreement, variance)


def widened(half: Floats, disagreement: Floats, *, levels: Sequence[float]) -> Floats:
    """The half-width of all folds together: their mean, and what they disagree on.

    Args:
        half: Shape (fold, level, photo, target), half-widths >= 0, NaN where refused.
        disagreement: Shape (photo, target), standard deviation of the folds' points.
        levels: Wanted coverages.

    Returns:
        Shape (level, photo, target), at least the mean of `half`.
    """
    quantile = ndtri((1.0 + np.asarray(levels, dtype=float)) / 2.0)[:, None, None]
    return np.asarray(np.hypot(half.mean(axis=0), quantile * disagreement), dtype=np.float64)


def no_photos(targets: TargetSpec, spec: PredictionSpec) -> EnsemblePrediction:
    """What is said where there is no photo: empty tables with all their columns."""
    n_levels, n_targets = len(spec.levels), len(targets.names)
    predictive = Predictive(
        image_ids=(),
        targets=targets,
        components=np.empty((0, len(targets.components))),
        levels=spec.levels,
        lower=np.empty((n_levels, 0, n_targets)),
        upper=np.empty((n_levels, 0, n_targets)),
        draws=np.empty((spec.n_draws, 0, n_targets)),
        headline=spec.headline,
    )
    unknown = ErrorVariance(between=float("nan"), within=float("nan"))
    return EnsemblePrediction(
        predictive, np.empty(0), np.empty((0, n_targets)), (unknown,) * n_targets
    )


def kg_dm_ha_of(
    targets: "pd.Series[str]", quadrat_area_m2: float, *, in_grams: Collection[str] | None = None
) -> Floats:
    """Kilograms of dry matter a hectare that a gram in the quadrat stands for, shape (row,).

    Args:
        targets: The target of each row.
        quadrat_area_m2: The ground that a photo shows.
        in_grams: The targets that are weighed in grams; all if None.

    Returns:
        NaN for targets that are not in grams.
    """
    grams = np.ones(len(targets), bool) if in_grams is None else targets.isin(list(in_grams))
    return np.where(grams, _KG_A_HA / quadrat_area_m2, np.nan)
