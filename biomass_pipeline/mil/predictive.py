"""What is predicted of photos: points, intervals and draws, of every target. No torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.config import EvaluationConfig
from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.mil.calibration import InnerTable
from biomass_pipeline.mil.targets import TargetSpec
from biomass_pipeline.scoring.grouping import group_weights
from biomass_pipeline.scoring.intervals import conformal_halfwidths
from biomass_pipeline.scoring.spread import fit_spread

Floats = NDArray[np.float64]

_COPULA = "joint distribution"
_DRAWS = "predictive distribution"
_EDGE = 1e-6  # the quantile at 1 is infinite


@dataclass(frozen=True)
class PredictionSpec:
    """What is asked of a prediction beside the points.

    Attributes:
        levels: Wanted coverages of new groups by the intervals, rising.
        headline: The level whose bounds are called `y_lower` and `y_upper`; one of `levels`.
        conformal: `pooled` or `one_per_group`, as in `scoring.intervals`.
        n_draws: Draws a photo.
        seed: With the photo's name it decides the draws.
    """

    levels: tuple[float, ...]
    headline: float
    conformal: str
    n_draws: int
    seed: int

    @classmethod
    def from_config(cls, evaluation: EvaluationConfig, *, seed: int = 0) -> Self:
        """Read it off the configuration."""
        return cls(
            levels=evaluation.levels,
            headline=evaluation.interval_level,
            conformal=evaluation.conformal,
            n_draws=evaluation.n_draws,
            seed=seed,
        )


@dataclass(frozen=True)
class Predictive:
    """Predictions of photos with their uncertainty, in the targets' units.

    Attributes:
        image_ids: One a photo.
        targets: The targets and their identities.
        components: Shape (photo, component), >= 0.
        levels: Coverages of the intervals.
        lower: Shape (level, photo, target), >= 0; NaN where the groups are too few for the level.
        upper: Shape (level, photo, target); NaN likewise.
        draws: Shape (draw, photo, target), >= 0; every draw adds up.
        headline: The level of `y_lower` and `y_upper`; the highest if None.
    """

    image_ids: tuple[str, ...]
    targets: TargetSpec
    components: Floats
    levels: tuple[float, ...]
    lower: Floats
    upper: Floats
    draws: Floats
    headline: float | None = None

    @property
    def y(self) -> Floats:
        """Points of all targets, shape (photo, target)."""
        return self.targets.sums(self.components)

    @property
    def p_zero(self) -> Floats:
        """The share of draws below the detection limits or at 0, shape (photo, target)."""
        limits = np.array(self.targets.detection_limits)
        absent = (self.draws <= 0) | (self.draws < limits)
        return np.asarray(absent.mean(axis=0), dtype=np.float64)

    def frame(self) -> pd.DataFrame:
        """A row a photo and target, in their order.

        Returns:
            Columns `image_id, target, y_pred, y_lower, y_upper` (of the headline level), then
            `y_lower_50, y_upper_50` and so on for other levels, rising, then `p_zero`.
        """
        names = self.targets.names
        columns: dict[str, Floats] = {"y_pred": self.y}
        for label, number in self._labelled_levels():
            columns |= {
                f"y_lower{label}": self.lower[number],
                f"y_upper{label}": self.upper[number],
            }
        columns["p_zero"] = self.p_zero
        frame = pd.DataFrame(
            {
                "image_id": np.repeat(np.array(self.image_ids, dtype=object), len(names)),
                "target": list(names) * len(self.image_ids),
                **{name: values.ravel() for name, values in columns.items()},
            }
        )
        return frame.astype({"image_id": "str", "target": "str"})

    def _labelled_levels(self) -> list[tuple[str, int]]:
        """Suffixes of column names and positions, the headline first, the others rising."""
        headline = max(self.levels) if self.headline is None else self.headline
        first = self.levels.index(headline)
        others = sorted(set(range(len(self.levels))) - {first}, key=lambda n: self.levels[n])
        return [("", first), *((f"_{100 * self.levels[n]:g}", n) for n in others)]


def predictive_of(
    image_ids: Sequence[str],
    components: Floats,
    *,
    inner: InnerTable,
    targets: TargetSpec,
    spec: PredictionSpec,
    draws: Floats | None = None,
) -> Predictive:
    """Put points, conformal intervals and draws together.

    Each target's interval comes from its own inner residuals, in units of how its errors grow with
    the prediction; those of sums from the sums' residuals, never from their parts' bounds.

    Args:
        image_ids: One a photo.
        components: Shape (photo, component), >= 0, in the targets' units.
        inner: Predictions of training photos by the same model without their groups.
        targets: The targets and their identities.
        spec: Levels, method, number of draws.
        draws: Shape (draw, photo, component), of a distributional model; `residual_draws` if None.

    Raises:
        UndefinedScoreError: There is no inner prediction.
    """
    if draws is None:
        draws = residual_draws(components, inner, targets=targets, spec=spec)
    y = targets.sums(components)
    half = _halfwidths(y, inner, targets=targets, spec=spec)
    return Predictive(
        image_ids=tuple(image_ids),
        targets=targets,
        components=components,
        levels=spec.levels,
        lower=np.maximum(y - half, 0.0),
        upper=y + half,
        draws=targets.sums(np.maximum(draws, 0.0)),
        headline=spec.headline,
    )


def residual_draws(
    components: Floats, inner: InnerTable, *, targets: TargetSpec, spec: PredictionSpec
) -> Floats:
    """Draws of the components of a model that predicts points.

    Whole rows of inner residuals, in units of how errors grow, are added to the points: components
    err together as they did. All photos share their rows, so a photo's draws do not depend on which
    others are predicted with it; and averaging draws over photos takes their errors as shared.

    Args:
        components: Shape (photo, component), >= 0.
        inner: Predictions of training photos by the same model without their groups.
        targets: The targets and their identities.
        spec: Number of draws and seed.

    Returns:
        Shape (draw, photo, component), >= 0.

    Raises:
        UndefinedScoreError: There is no inner prediction.
    """
    measured = inner.y[:, list(targets.component_columns)]
    chance = np.random.default_rng(spec.seed)
    rows = _drawn_rows(inner.groups, n_draws=spec.n_draws, chance=chance)
    spread = fit_spread(measured, inner.components, inner.groups)
    relative = ((measured - inner.components) / spread.at(inner.components))[rows]
    return np.maximum(components + relative[:, None, :] * spread.at(components), 0.0)


def copula_draws(
    quantile: Callable[[Floats], Floats], inner: InnerTable, *, n_photos: int, spec: PredictionSpec
) -> Floats:
    """Draws of the components of a model with distributions, joined by their inner ranks.

    A draw takes a whole row of inner ranks, each jittered between its neighbours in rank, and
    pushes it through the components' quantile functions: an empirical copula (Rueschendorf 2009;
    the Schaake shuffle of Clark et al. 2004), recalibrated, since ranks that crowd at the ends
    widen the draws of a network too sure of itself. All photos share their ranks, as in
    `residual_draws`.

    Args:
        quantile: Levels in (0, 1) of shape (draw, photo, component) to quantiles of that shape.
        inner: With ranks.
        n_photos: How many photos `quantile` knows.
        spec: Number of draws and seed.

    Returns:
        Shape (draw, photo, component).

    Raises:
        UndefinedScoreError: There is no inner prediction, or it has no ranks.
    """
    if inner.ranks is None:
        raise UndefinedScoreError(_COPULA, "the model predicts points, not distributions")
    chance = np.random.default_rng(spec.seed)
    rows = _drawn_rows(inner.groups, n_draws=spec.n_draws, chance=chance)
    weight = group_weights(inner.groups)
    columns = [_jittered(column, rows, weight=weight, chance=chance) for column in inner.ranks.T]
    level = np.stack(columns, axis=-1)[:, None, :]
    return quantile(np.repeat(level, n_photos, axis=1))


def _halfwidths(
    y: Floats, inner: InnerTable, *, targets: TargetSpec, spec: PredictionSpec
) -> Floats:
    """Half-widths of each photo's intervals, shape (level, photo, target)."""
    predicted = targets.sums(inner.components)
    spread = fit_spread(inner.y, predicted, inner.groups)
    half = conformal_halfwidths(
        (inner.y - predicted) / spread.at(predicted),
        inner.groups,
        levels=spec.levels,
        method=spec.conformal,
        chance=np.random.default_rng(spec.seed),
    )
    return half[:, None, :] * spread.at(y)


def _drawn_rows(
    groups: NDArray[np.str_], *, n_draws: int, chance: np.random.Generator
) -> NDArray[np.int64]:
    """Rows of an inner table for every draw, groups weighed alike, shape (draw,).

    Evenly spaced along the cumulative weights, which repeats what the table holds more closely
    than independent draws would; in an order of chance.
    """
    if len(groups) == 0:
        raise UndefinedScoreError(_DRAWS, "there is no inner prediction")
    order = chance.permutation(len(groups))
    reached = np.cumsum(group_weights(groups)[order])
    place = (np.arange(n_draws) + chance.random()) / n_draws
    found = np.minimum(np.searchsorted(reached, place), len(groups) - 1)
    return np.asarray(chance.permutation(order[found]), dtype=np.int64)


def _jittered(
    ranks: Floats, rows: NDArray[np.int64], *, weight: Floats, chance: np.random.Generator
) -> Floats:
    """Drawn ranks moved by chance within their step of the ranks' distribution, shape (draw,)."""
    order = np.argsort(ranks, kind="stable")
    top = np.empty_like(weight)
    top[order] = np.cumsum(weight[order])
    place = top[rows] - chance.random(len(rows)) * weight[rows]
    middle = (top - weight / 2)[order]
    knots = np.concatenate([[0.0], middle, [1.0]]), np.concatenate([[0.0], ranks[order], [1.0]])
    return np.asarray(np.clip(np.interp(place, *knots), _EDGE, 1 - _EDGE))
