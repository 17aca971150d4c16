"""How much groups of photos differ from what a model says of them: what a new site is up to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.mil.calibration import InnerTable
from biomass_pipeline.mil.targets import TargetSpec
from biomass_pipeline.scoring import Spread, fit_spread

Floats = NDArray[np.float64]

# What is believed before any group was seen, worth as much as so many groups: scales differ by so
# much, offsets by so much of the mean mass. Of 0, 2 and 3 groups and 0.1 to 0.2, on simulated
# surveys of 4 to 30 groups, these were the least bad where groups are few: without them four groups
# often say that no site differs, and then cuts teach nothing.
_OWN_GROUPS, _OWN_SD = 3.0, 0.15
_N_ROUNDS = 200
_SETTLED = 1e-7
# No balance and no person tells masses apart better than by this share of a typical one.
_RESOLUTION = 1e-3
_LEAST = 1e-12
# Correlations of errors are pulled to 0 as if by so many more photos that have none.
_UNCORRELATED_PHOTOS = 10.0
_PRIOR = "prior of a site's scale and offset"


@dataclass(frozen=True)
class SitePrior:
    """What sites do to a model's predictions, before a site's first cut.

    For component c of photo i with prediction f: `y = (1 + u) f + v m q(f) + e`, in which
    `(u, v) ~ N(0, covariance[c])` is the site's, m is the component's mean mass, and
    `e ~ N(0, (noise s(f))^2)` the photo's own error, whose size grows with the prediction as `s`
    says. An offset fades out below the detection limit (`q(f) = min(f / limit, 1)`): where
    nothing is predicted nothing is added, and what a site never has stays 0.

    Attributes:
        targets: The targets and their identities.
        mass: Shape (component,), mean of the labels, m.
        covariance: Shape (component, 2, 2), of scale and of offset in units of the mean mass.
        noise: Shape (component,), in units of `spread`.
        correlation: Shape (component, component), of the photos' own errors.
        spread: How errors grow with the prediction.
        n_groups: How many groups it was learnt from.
    """

    targets: TargetSpec
    mass: Floats
    covariance: Floats
    noise: Floats
    correlation: Floats
    spread: Spread
    n_groups: int

    def design(self, components: Floats) -> Floats:
        """What scale and offset are multiplied with, shape (photo, component, 2)."""
        limits = np.array(self.targets.detection_limits)[list(self.targets.component_columns)]
        share = np.clip(components / np.maximum(limits, _LEAST), 0.0, 1.0)
        return np.stack([components, self.mass * share], axis=-1)

    def target_design(self, components: Floats) -> Floats:
        """The same for targets and all parameters, shape (photo, target, 2 * component).

        Scale and offset of the first component come first, then those of the second.
        """
        matrix = np.array(self.targets.matrix, dtype=np.float64)
        design = self.design(components)
        product = matrix[None, :, :, None] * design[:, None, :, :]
        return np.asarray(product.reshape(*product.shape[:2], 2 * matrix.shape[1]))

    def target_noise(self, components: Floats) -> Floats:
        """Covariance of a photo's own errors, shape (photo, target, target)."""
        matrix = np.array(self.targets.matrix, dtype=np.float64)
        least = _RESOLUTION * max(float(self.mass.max(initial=0.0)), _LEAST)
        sd = np.hypot(self.noise * self.spread.at(components), least)
        covariance = sd[:, :, None] * self.correlation * sd[:, None, :]
        return np.asarray(matrix @ covariance @ matrix.T)

    def joint_covariance(self) -> Floats:
        """Of all components' parameters, shape (2 * component, 2 * component)."""
        n = len(self.covariance)
        joint = np.zeros((n, 2, n, 2))
        joint[np.arange(n), :, np.arange(n), :] = self.covariance
        return joint.reshape(2 * n, 2 * n)

    def to_plain(self) -> dict[str, Any]:
        """Numbers, strings and lists only, in full precision."""
        return {
            "targets": self.targets.to_plain(),
            "mass": self.mass.tolist(),
            "covariance": self.covariance.tolist(),
            "noise": self.noise.tolist(),
            "correlation": self.correlation.tolist(),
            "spread_power": self.spread.power.tolist(),
            "spread_offset": self.spread.offset.tolist(),
            "n_groups": self.n_groups,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Undo `to_plain`.

        Raises:
            KeyError: Something is missing.
            ValueError: The shapes do not fit each other.
        """
        targets = TargetSpec.from_plain(plain["targets"])
        n = len(targets.components)
        return cls(
            targets=targets,
            mass=shaped(plain["mass"], (n,)),
            covariance=shaped(plain["covariance"], (n, 2, 2)),
            noise=shaped(plain["noise"], (n,)),
            correlation=shaped(plain["correlation"], (n, n)),
            spread=Spread(
                power=shaped(plain["spread_power"], (n,)),
                offset=shaped(plain["spread_offset"], (n,)),
            ),
            n_groups=int(plain["n_groups"]),
        )


def shaped(values: Any, shape: tuple[int, ...]) -> Floats:  # noqa: ANN401  # as JSON gave it
    """An array of finite numbers of exactly this shape.

    Raises:
        ValueError: It is of another shape, or not of finite numbers.
    """
    found = np.asarray(values, dtype=np.float64)
    if found.shape != shape or not np.isfinite(found).all():
        msg = f"expected finite numbers of shape {shape}, found shape {found.shape}"
        raise ValueError(msg)
    return found


def learn_prior(tables: Sequence[InnerTable], *, targets: TargetSpec) -> SitePrior:
    """Learn how groups differ from the predictions of models that did not learn from them.

    Empirical Bayes: a random scale and offset a group with mean (1, 0), whose covariance and the
    errors within groups are found by the expectation-maximisation of Laird and Ware (1982,
    Biometrics 38:963), component by component; a new site is taken as one more such group. The
    covariance is that of the groups and of three imagined ones, so that few groups do not claim to
    know that no site differs.

    Args:
        tables: Of each fold what its chosen model said of photos without their groups. A photo
            counts once, by the mean of its predictions: an ensemble predicts by the mean too.
        targets: The targets and their identities.

    Raises:
        UndefinedScoreError: There is no inner prediction.
    """
    if not any(len(table.y) for table in tables):
        raise UndefinedScoreError(_PRIOR, "there is no inner prediction")
    inner = _joined(tables)
    measured = inner.y[:, list(targets.component_columns)]
    spread = fit_spread(measured, inner.components, inner.groups)
    blank = SitePrior(
        targets=targets,
        mass=measured.mean(axis=0),
        covariance=np.zeros((measured.shape[1], 2, 2)),
        noise=np.zeros(measured.shape[1]),
        correlation=np.eye(measured.shape[1]),
        spread=spread,
        n_groups=len(np.unique(inner.groups)),
    )
    design, size = blank.design(inner.components), spread.at(inner.components)
    found = [
        _groups_differ(design[:, c], residual / size[:, c], size[:, c], groups=inner.groups)
        for c, residual in enumerate((measured - inner.components).T)
    ]
    return SitePrior(
        targets=targets,
        mass=blank.mass,
        covariance=np.stack([each.covariance for each in found]),
        noise=np.array([each.noise for each in found]),
        correlation=_correlation(np.stack([each.errors for each in found], axis=1)),
        spread=spread,
        n_groups=blank.n_groups,
    )


class _Differences(NamedTuple):
    """Of one component.

    Attributes:
        covariance: Shape (2, 2).
        noise: In units of the spread.
        errors: Shape (photo,), what groups do not explain, in units of the spread.
    """

    covariance: Floats
    noise: float
    errors: Floats


def _groups_differ(design: Floats, error: Floats, size: Floats, *, groups: Any) -> _Differences:  # noqa: ANN401  # an array of names
    """Laird and Ware's rounds, in units in which all errors are of one size.

    Args:
        design: Shape (photo, 2).
        error: Measured minus predicted, in units of the spread, shape (photo,).
        size: The spread, shape (photo,).
        groups: Shape (photo,).
    """
    _, index = np.unique(groups, return_inverse=True)
    n_groups, x = int(index.max()) + 1, design / size[:, None]
    gram, product = np.zeros((n_groups, 2, 2)), np.zeros((n_groups, 2))
    np.add.at(gram, index, x[:, :, None] * x[:, None, :])
    np.add.at(product, index, x * error[:, None])
    square, own = float((error**2).sum()), np.eye(2) * _OWN_SD**2
    covariance, variance = own, max(square / len(error), _LEAST)
    for _ in range(_N_ROUNDS):
        shifts, uncertain = _shifts(gram, product, covariance=covariance, variance=variance)
        second = shifts[:, :, None] * shifts[:, None, :] + uncertain
        left = square - 2 * float((shifts * product).sum()) + float((gram * second).sum())
        before, variance = variance, max(left / len(error), _LEAST)
        covariance = (second.sum(axis=0) + _OWN_GROUPS * own) / (n_groups + _OWN_GROUPS)
        if abs(variance - before) <= _SETTLED * before:
            break
    shifts, _ = _shifts(gram, product, covariance=covariance, variance=variance)
    rest = error - (x * shifts[index]).sum(axis=1)
    return _Differences((covariance + covariance.T) / 2, float(np.sqrt(variance)), rest)


def _shifts(
    gram: Floats, product: Floats, *, covariance: Floats, variance: float
) -> tuple[Floats, Floats]:
    """Each group's shift and how uncertain it is, shapes (group, 2) and (group, 2, 2)."""
    uncertain = np.linalg.solve(np.eye(2) + covariance @ gram / variance, covariance)
    shifts = (uncertain @ product[:, :, None])[:, :, 0] / variance
    return shifts, np.asarray(uncertain, dtype=np.float64)


def _correlation(errors: Floats) -> Floats:
    """How the components' errors of a photo go together, pulled to 0; positive definite."""
    size = np.sqrt((errors**2).mean(axis=0))
    z = errors / np.where(size > 0, size, np.inf)
    n = len(errors)
    found = (z.T @ z) / (n + _UNCORRELATED_PHOTOS)
    np.fill_diagonal(found, 1.0)
    return np.asarray(found)


def _joined(tables: Sequence[InnerTable]) -> InnerTable:
    """All tables' photos, each once, by the mean of what was predicted of it."""
    table = InnerTable.concatenate(tables)
    names, first, index = np.unique(table.image_ids, return_index=True, return_inverse=True)
    total = np.zeros((len(names), table.components.shape[1]))
    np.add.at(total, index, table.components)
    mean = total / np.bincount(index, minlength=len(names))[:, None]
    return InnerTable(names, table.groups[first], table.y[first], mean)
