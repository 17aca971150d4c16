"""What maps a scaled row to outputs: linear, or a kernel beside photos that were learnt. Numpy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinearMachine:
    """`z @ weights + intercept`.

    Attributes:
        weights: Shape (row, output).
        intercept: Shape (output,).
    """

    weights: Floats
    intercept: Floats

    def __call__(self, z: Floats) -> Floats:
        """Outputs of rows of shape (bag, row), shape (bag, output)."""
        return np.asarray(z @ self.weights + self.intercept, dtype=np.float64)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What an `.npz` may hold."""
        return {"weights": self.weights, "intercept": self.intercept}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Undo `arrays`.

        Raises:
            KeyError: An array is missing.
        """
        return cls(arrays["weights"], arrays["intercept"])


@dataclass(frozen=True)
class KernelMachine:
    """`exp(-gamma |z - z_i|^2) @ dual + intercept` over the photos i that were learnt.

    What scikit-learn fitted, without scikit-learn and without a pickle.

    Attributes:
        support: Shape (learnt, row).
        dual: Shape (learnt, output).
        intercept: Shape (output,).
        gamma: Of the kernel.
    """

    support: Floats
    dual: Floats
    intercept: Floats
    gamma: float

    def __call__(self, z: Floats) -> Floats:
        """Outputs of rows of shape (bag, row), shape (bag, output)."""
        kernel = np.exp(-self.gamma * squared_distances(z, self.support))
        return np.asarray(kernel @ self.dual + self.intercept, dtype=np.float64)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What an `.npz` may hold."""
        return {
            "support": self.support,
            "dual": self.dual,
            "intercept": self.intercept,
            "gamma": np.array(self.gamma),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Undo `arrays`.

        Raises:
            KeyError: An array is missing.
        """
        return cls(arrays["support"], arrays["dual"], arrays["intercept"], float(arrays["gamma"]))


Machine = LinearMachine | KernelMachine


def machine_from(arrays: Mapping[str, NDArray[Any]]) -> Machine:
    """Read the machine that these arrays are of.

    Raises:
        KeyError: An array is missing.
    """
    kind = KernelMachine if "support" in arrays else LinearMachine
    return kind.from_arrays(arrays)


def squared_distances(one: Floats, other: Floats) -> Floats:
    """Between rows, shape (row of one, row of other), >= 0."""
    square = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    return np.asarray(np.maximum(square, 0.0), dtype=np.float64)
