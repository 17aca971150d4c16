"""What inner out-of-fold predictions tell about a model: its scales and its errors. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.mil.targets import TargetSpec

# A scale fitted on a few dozen photos may correct a bias; more than this is a broken model.
_SCALE_LIMITS = (0.5, 2.0)
_PREFIX = "inner_"


@dataclass(frozen=True)
class InnerTable:
    """Predictions of training photos by models that did not learn from their groups.

    Attributes:
        image_ids: Shape (row,); a photo stands here once for every network that left it out.
        groups: Shape (row,).
        y: Shape (row, target), the labels.
        components: Shape (row, component), predicted, >= 0, in the targets' units.
        ranks: Shape (row, component), the randomised PIT of the labels under a distributional
            model, in (0, 1); None for a model that predicts points.
    """

    image_ids: NDArray[np.str_]
    groups: NDArray[np.str_]
    y: NDArray[np.float64]
    components: NDArray[np.float64]
    ranks: NDArray[np.float64] | None = None

    @classmethod
    def concatenate(cls, parts: Sequence["InnerTable"]) -> "InnerTable":
        """Join the rows of several models; ranks are kept where every part has them."""
        ranks = [part.ranks for part in parts if part.ranks is not None]
        return cls(
            image_ids=np.concatenate([part.image_ids for part in parts]),
            groups=np.concatenate([part.groups for part in parts]),
            y=np.concatenate([part.y for part in parts]),
            components=np.concatenate([part.components for part in parts]),
            ranks=np.concatenate(ranks) if len(ranks) == len(parts) else None,
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Undo `arrays`; other names are left alone.

        Raises:
            KeyError: An array is missing.
        """
        names = ("image_ids", "groups", "y", "components")
        ranks = arrays.get(f"{_PREFIX}ranks")
        return cls(**{name: arrays[f"{_PREFIX}{name}"] for name in names}, ranks=ranks)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays without objects, named `inner_...`: what an `.npz` may hold."""
        found = {
            "image_ids": np.asarray(self.image_ids, dtype=np.str_),
            "groups": np.asarray(self.groups, dtype=np.str_),
            "y": self.y,
            "components": self.components,
        }
        if self.ranks is not None:
            found["ranks"] = self.ranks
        return {f"{_PREFIX}{name}": values for name, values in found.items()}

    def scale(self, targets: TargetSpec) -> NDArray[np.float64]:
        """The factor of each component, `k = sum(yhat y) / sum(yhat^2)`, shape (component,).

        It is fitted on components only: a factor of its own for a sum would break the identity.
        """
        y = self.y[:, list(targets.component_columns)]
        square = (self.components**2).sum(axis=0)
        product = (self.components * y).sum(axis=0)
        factor = np.divide(product, square, out=np.ones_like(square), where=square > 0)
        return np.asarray(np.clip(factor, *_SCALE_LIMITS), dtype=np.float64)

    def scaled(self, factor: NDArray[np.float64]) -> "InnerTable":
        """The same photos, predictions multiplied by a factor of shape (component,)."""
        return replace(self, components=self.components * factor)

    def residuals(self, targets: TargetSpec) -> NDArray[np.float64]:
        """Measured minus predicted, shape (row, target).

        Those of sums are of the sums themselves, which know how their parts' errors go together.
        """
        return self.y - targets.sums(self.components)

    def component_residuals(self, targets: TargetSpec) -> NDArray[np.float64]:
        """Measured minus predicted of the components, shape (row, component)."""
        return self.y[:, list(targets.component_columns)] - self.components
