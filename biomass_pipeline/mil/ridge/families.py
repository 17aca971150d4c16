"""How machines are fitted: each family tries its settings on a left-out part, and fits the chosen.

Rows come scaled, so that a row's expected square is about 1 (`scaling.BlockScale`).
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.mil.ridge.machines import (
    KernelMachine,
    LinearMachine,
    Machine,
    squared_distances,
)

Floats = NDArray[np.float64]

# Kernel widths to choose from: gamma times the median squared distance between photos. Below a
# tenth the kernel is all but linear; above 1 it only remembers.
_WIDTHS = (0.03, 0.1, 0.3, 1.0)

# Squared distances of rows of size 1 that are rounding errors.
_ALIKE = 1e-9

# Where a Gaussian process starts looking for its kernel, in units of the standardised labels.
_START_NOISE = 0.1
_NOISE_BOUNDS = (1e-4, 1e1)
_AMPLITUDE_BOUNDS = (1e-2, 1e2)
_LENGTH_BOUNDS = (0.1, 30.0)  # times the root of half the median squared distance


@dataclass(frozen=True)
class Setting:
    """One way to fit.

    Attributes:
        alpha: The penalty; NaN where the family finds its own.
        width: gamma times the median squared distance; NaN for a linear machine.
    """

    alpha: float
    width: float


class Family(Protocol):
    """A kind of machine."""

    def settings(self, alphas: Sequence[float]) -> tuple[Setting, ...]:
        """What there is to choose from."""

    def tried(self, learn: Floats, y: Floats, part: Floats, *, alphas: Sequence[float]) -> Floats:
        """Outputs on a left-out part under every setting, shape (setting, bag, output)."""

    def fit(self, z: Floats, y: Floats, setting: Setting) -> Machine:
        """The machine of one setting; y has shape (bag, output)."""


class LinearFamily:
    """Ridge regression (Hoerl and Kennard 1970) in its dual form: photos are fewer than features.

    `w = Z^T (Z Z^T + alpha I)^-1 (y - mean y)`, Z centred.
    """

    def settings(self, alphas: Sequence[float]) -> tuple[Setting, ...]:
        """A setting a penalty."""
        return tuple(Setting(alpha, float("nan")) for alpha in alphas)

    def tried(self, learn: Floats, y: Floats, part: Floats, *, alphas: Sequence[float]) -> Floats:
        """All penalties from one decomposition."""
        centre, level = learn.mean(axis=0), y.mean(axis=0)
        centred = learn - centre
        dual = _dual(centred @ centred.T, y - level, alphas)
        return np.asarray(((part - centre) @ centred.T) @ dual + level, dtype=np.float64)

    def fit(self, z: Floats, y: Floats, setting: Setting) -> LinearMachine:
        """Weights from the dual."""
        centre, level = z.mean(axis=0), y.mean(axis=0)
        centred = z - centre
        weights = centred.T @ _dual(centred @ centred.T, y - level, [setting.alpha])[0]
        return LinearMachine(weights, level - centre @ weights)


class RbfFamily:
    """Kernel ridge with a Gaussian kernel, of labels around their mean."""

    def settings(self, alphas: Sequence[float]) -> tuple[Setting, ...]:
        """Widths by penalties."""
        return tuple(Setting(alpha, width) for width in _WIDTHS for alpha in alphas)

    def tried(self, learn: Floats, y: Floats, part: Floats, *, alphas: Sequence[float]) -> Floats:
        """All penalties of a width from one decomposition."""
        level = y.mean(axis=0)
        among, across = squared_distances(learn, learn), squared_distances(part, learn)
        found = []
        for width in _WIDTHS:
            gamma = width / _median(among)
            dual = _dual(np.exp(-gamma * among), y - level, alphas)
            found.append(np.exp(-gamma * across) @ dual + level)
        return np.concatenate(found)

    def fit(self, z: Floats, y: Floats, setting: Setting) -> KernelMachine:
        """Dual coefficients by scikit-learn's KernelRidge."""
        from sklearn.kernel_ridge import KernelRidge  # noqa: PLC0415  # the default needs none

        level, among = y.mean(axis=0), squared_distances(z, z)
        gamma = setting.width / _median(among)
        model = KernelRidge(alpha=setting.alpha, kernel="precomputed")
        model.fit(np.exp(-gamma * among), y - level)
        return KernelMachine(z, model.dual_coef_, level, gamma)


class GaussianProcessFamily:
    """A Gaussian process with a Gaussian kernel and noise; its kernel maximises the likelihood.

    All outputs share one kernel (Rasmussen and Williams 2006, algorithm 2.1 and section 5.4.1):
    with one each, a fold would take three times as long. Its own variance is not used.
    """

    def settings(self, alphas: Sequence[float]) -> tuple[Setting, ...]:  # noqa: ARG002  # its own
        """There is nothing to choose."""
        return (Setting(float("nan"), float("nan")),)

    def tried(self, learn: Floats, y: Floats, part: Floats, *, alphas: Sequence[float]) -> Floats:
        """The likelihood decides, here of the learning part."""
        return self.fit(learn, y, self.settings(alphas)[0])(part)[None]

    def fit(self, z: Floats, y: Floats, setting: Setting) -> KernelMachine:  # noqa: ARG002  # none
        """Dual coefficients by scikit-learn's GaussianProcessRegressor."""
        from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415  # as above
        from sklearn.gaussian_process import GaussianProcessRegressor  # noqa: PLC0415  # as above
        from sklearn.gaussian_process.kernels import (  # noqa: PLC0415  # as above
            RBF,
            ConstantKernel,
            WhiteKernel,
        )

        level, size = y.mean(axis=0), y.std(axis=0)
        size = np.where(size > 0, size, 1.0)
        length = float(np.sqrt(_median(squared_distances(z, z)) / 2))
        bounds = tuple(length * bound for bound in _LENGTH_BOUNDS)
        kernel = ConstantKernel(1.0, _AMPLITUDE_BOUNDS) * RBF(length, bounds)
        noisy = kernel + WhiteKernel(_START_NOISE, _NOISE_BOUNDS)
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            # At a bound: few photos say little about the kernel, and the bound is sane.
            process = GaussianProcessRegressor(noisy).fit(z, (y - level) / size)
        found = process.kernel_.k1
        dual = found.k1.constant_value * process.alpha_.reshape(y.shape) * size
        return KernelMachine(z, dual, level, 0.5 / found.k2.length_scale**2)


FAMILIES: Mapping[str, Family] = {
    "linear": LinearFamily(),
    "rbf": RbfFamily(),
    "gaussian_process": GaussianProcessFamily(),
}


def _dual(kernel: Floats, y: Floats, alphas: Sequence[float]) -> Floats:
    """`(K + alpha I)^-1 y` for every alpha from one decomposition, (alpha, bag, output)."""
    values, vectors = np.linalg.eigh(kernel)
    shrunk = 1.0 / (np.maximum(values, 0.0) + np.asarray(alphas)[:, None])
    rotated: Floats = vectors @ (shrunk[:, :, None] * (vectors.T @ y)[None])
    return rotated


def _median(squared: Floats) -> float:
    """Median squared distance of two photos; 1 where most are alike."""
    pairs = squared[np.triu_indices(len(squared), k=1)]
    middle = float(np.median(pairs)) if pairs.size else 0.0
    return middle if middle > _ALIKE else 1.0
