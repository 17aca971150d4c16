"""Which model predicts, or how two of them do together: decided on inner predictions. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.mil.calibration import InnerTable
from biomass_pipeline.mil.predictive import PredictionSpec, Predictive, predictive_of
from biomass_pipeline.mil.splits import inner_parts
from biomass_pipeline.mil.targets import TargetSpec
from biomass_pipeline.scoring import weighted_r2

Floats = NDArray[np.float64]

# From simple to involved: a later one must earn its place.
_BY_SIMPLICITY = ("ridge", "mil", "stack")

# The prior of the weights, in groups that the plain mean of both models predicts exactly. Of 0, 3,
# 10 and 30, with pairs of ridges for the two models on 12 data sets, one of them sound, noisy by
# session or shrunk, 10 was never the worst and nearly the best where both were sound.
_PRIOR_GROUPS = 10.0
_EQUAL = 0.5
_SINGULAR = 1e-3

# A model must beat a simpler one by so many standard errors of the groups' differences. Networks
# stop on the groups that they are compared on, which flatters them: with one standard error, auto
# took networks that scored .60 outside where the ridge scored .65 (docs/defaults.md). With two it
# gives up some gains and is safe, also where groups are few.
_STANDARD_ERRORS = 2.0
_LEAST_GROUPS = 3  # two differences have no standard error worth the name

_N_PARTS = 10


@dataclass(frozen=True)
class Choice:
    """What predicts, and the stack.

    Attributes:
        model: `ridge`, `mil` or `stack`.
        weights: Shape (2, component), >= 0: of the network and of the ridge in the stack.
        scores: The global weighted R2 of each on inner groups; empty where the labels are alike.
        inner: The inner table of the chosen.
        stack: The inner table of the stack, each group by weights that did not see it.
    """

    model: str
    weights: Floats
    scores: Mapping[str, float]
    inner: InnerTable = field(repr=False)
    stack: InnerTable = field(repr=False)


def choose(mil: InnerTable, ridge: InnerTable, *, targets: TargetSpec) -> Choice:
    """Choose by the metric on inner predictions of the photos that both tables hold.

    The ridge stands unless the network is better by a standard error over groups, and what stands
    then unless the stack is. The outer fold is not looked at: it is in neither table.

    Args:
        mil: Inner predictions of the networks; a photo may stand there several times.
        ridge: Inner predictions of the ridge.
        targets: The targets and the metric's weights.

    Raises:
        ValueError: The tables have no photo in common.
    """
    both = _Both.of(mil, ridge, targets)
    weights = both.weights()
    stack = both.table(both.crossed())
    components = {"ridge": both.pair[:, 1], "mil": both.pair[:, 0], "stack": stack.components}
    model = _simplest(
        {name: both.squares(values) for name, values in components.items()}, both.groups
    )
    return Choice(
        model=model,
        weights=weights,
        scores=both.scores(components),
        inner={"mil": mil, "ridge": ridge, "stack": stack}[model],
        stack=stack,
    )


def predict_stack(
    choice: Choice, mil: Predictive, ridge: Predictive, *, spec: PredictionSpec
) -> Predictive:
    """The weighted sum of both models' components, with the stack's own uncertainty.

    Args:
        choice: Its weights and the stack's inner table.
        mil: The network's predictions.
        ridge: The ridge's, of the same photos.
        spec: What is asked of the uncertainty.

    Raises:
        ValueError: The predictions are not of the same photos in the same order.
    """
    if mil.image_ids != ridge.image_ids:
        msg = "predictions to stack must be of the same photos in the same order"
        raise ValueError(msg)
    components = choice.weights[0] * mil.components + choice.weights[1] * ridge.components
    return predictive_of(
        mil.image_ids, components, inner=choice.stack, targets=ridge.targets, spec=spec
    )


@dataclass(frozen=True)
class _Both:
    """The photos that both tables hold.

    Attributes:
        image_ids: Shape (row,), each photo once.
        groups: Shape (row,).
        y: Shape (row, target).
        pair: Shape (row, 2, component), of the network and of the ridge.
        targets: What is predicted.
    """

    image_ids: NDArray[np.str_]
    groups: NDArray[np.str_]
    y: Floats
    pair: Floats
    targets: TargetSpec

    @classmethod
    def of(cls, mil: InnerTable, ridge: InnerTable, targets: TargetSpec) -> Self:
        """Join by photo; several predictions of one photo are averaged."""
        names = np.intersect1d(mil.image_ids, ridge.image_ids)
        if len(names) == 0:
            msg = "the inner tables to choose from have no photo in common"
            raise ValueError(msg)
        first = np.unique(ridge.image_ids, return_index=True)
        rows = first[1][np.searchsorted(first[0], names)]
        pair = np.stack([_averaged(table, names) for table in (mil, ridge)], axis=1)
        return cls(names, ridge.groups[rows], ridge.y[rows], pair, targets)

    def table(self, components: Floats) -> InnerTable:
        """These photos with other predictions."""
        return InnerTable(self.image_ids, self.groups, self.y, components)

    def weights(self, rows: NDArray[np.int64] | None = None) -> Floats:
        """Weights of both models for each component, shape (2, component)."""
        rows = np.arange(len(self.y)) if rows is None else rows
        y = self.y[rows][:, list(self.targets.component_columns)]
        n_groups = len(np.unique(self.groups[rows]))
        found = [
            _weights(self.pair[rows, :, number], y[:, number], n_groups=n_groups)
            for number in range(y.shape[1])
        ]
        return np.stack(found, axis=1)

    def crossed(self) -> Floats:
        """The stack of each group by weights fitted on the others, shape (row, component).

        Without a second group there is nothing to fit on, and the weights are equal.
        """
        if len(np.unique(self.groups)) == 1:
            return np.asarray(self.pair.mean(axis=1), dtype=np.float64)
        stacked = np.empty_like(self.pair[:, 0])
        for part in inner_parts(self.groups, n_parts=_N_PARTS, seed=0):
            others = np.setdiff1d(np.arange(len(self.y)), part)
            stacked[part] = (self.pair[part] * self.weights(others)).sum(axis=1)
        return stacked

    def squares(self, components: Floats) -> Floats:
        """The metric's weighted squared error of each photo, shape (row,)."""
        error = self.y - self.targets.sums(components)
        return np.asarray(error**2 @ np.array(self.targets.weights), dtype=np.float64)

    def scores(self, components: Mapping[str, Floats]) -> dict[str, float]:
        """The global weighted R2 by model."""
        names = self.targets.names
        weights = dict(zip(names, self.targets.weights, strict=True))
        try:
            return {
                model: weighted_r2(
                    self.y, self.targets.sums(values), targets=names, weights=weights
                )
                for model, values in components.items()
            }
        except UndefinedScoreError:
            return {}


def _averaged(table: InnerTable, names: NDArray[np.str_]) -> Floats:
    """Mean prediction of each of these photos, shape (row, component)."""
    known = np.isin(table.image_ids, names)
    place = np.searchsorted(names, table.image_ids[known])
    total = np.zeros((len(names), table.components.shape[1]))
    np.add.at(total, place, table.components[known])
    return np.asarray(total / np.bincount(place)[:, None], dtype=np.float64)


def _weights(pair: Floats, y: Floats, *, n_groups: int) -> Floats:
    """Non-negative least squares with a prior at equal weights, shape (2,).

    The prior has the shape of the data (Zellner 1986): as if `_PRIOR_GROUPS` groups like these had
    been predicted exactly by the plain mean. So few groups give all but equal weights, many give
    the least-squares ones, and it does not matter how alike the two predictions are.

    Args:
        pair: Shape (row, 2), predictions of one component by both models.
        y: Shape (row,).
        n_groups: How many groups the rows are of.
    """
    from scipy.optimize import nnls  # noqa: PLC0415  # only who asks pays for it

    share = np.sqrt(_PRIOR_GROUPS / n_groups)
    ridge = _SINGULAR * max(float(np.sqrt((pair**2).mean())), np.finfo(float).tiny) * np.eye(2)
    rows = np.concatenate([pair, share * pair, ridge])
    wanted = np.concatenate([y, share * pair.mean(axis=1), ridge @ np.full(2, _EQUAL)])
    found, _ = nnls(rows, wanted)
    return np.asarray(found, dtype=np.float64)


def _simplest(squares: Mapping[str, Floats], groups: NDArray[np.str_]) -> str:
    """The simplest model that none more involved beats clearly."""
    stands = _BY_SIMPLICITY[0]
    for rival in _BY_SIMPLICITY[1:]:
        # Beside the one that stands, the best so far: what is second best is not taken.
        before = _BY_SIMPLICITY[: _BY_SIMPLICITY.index(rival)]
        best = min(squares[name].sum() for name in before)
        clearly = _clearly_better(squares[stands] - squares[rival], groups)
        if clearly and squares[rival].sum() <= best:
            stands = rival
    return stands


def _clearly_better(gain: Floats, groups: NDArray[np.str_]) -> bool:
    """Whether a sum of gains over photos exceeds chance, the groups being what varies."""
    _, index = np.unique(groups, return_inverse=True)
    by_group = np.bincount(index, gain)
    n_groups = len(by_group)
    if n_groups < _LEAST_GROUPS:
        return False
    error = float(np.sqrt(n_groups * by_group.var(ddof=1)))
    return bool(by_group.sum() > _STANDARD_ERRORS * error)
