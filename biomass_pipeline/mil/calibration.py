"""What inner out-of-fold predictions are used for: one scale a component, intervals. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.mil.targets import TargetSpec
from biomass_pipeline.scoring.intervals import group_conformal_halfwidth

# A scale fitted on a few dozen photos may correct a bias; more than this is a broken model.
_SCALE_LIMITS = (0.5, 2.0)


@dataclass(frozen=True)
class InnerTable:
    """Predictions of training photos by models that did not learn from their groups.

    Attributes:
        groups: Shape (row,).
        y: Shape (row, target), the labels.
        components: Shape (row, component), predicted, before any scale.
    """

    groups: NDArray[np.str_]
    y: NDArray[np.float64]
    components: NDArray[np.float64]

    @classmethod
    def concatenate(cls, parts: Sequence["InnerTable"]) -> "InnerTable":
        """Join the rows of several models."""
        return cls(
            groups=np.concatenate([part.groups for part in parts]),
            y=np.concatenate([part.y for part in parts]),
            components=np.concatenate([part.components for part in parts]),
        )

    def scale(self, targets: TargetSpec) -> NDArray[np.float64]:
        """The factor of each component, `k = sum(yhat y) / sum(yhat^2)`, shape (component,).

        It is fitted on components only: a factor of its own for a sum would break the identity.
        """
        y = self.y[:, list(targets.component_columns)]
        square = (self.components**2).sum(axis=0)
        product = (self.components * y).sum(axis=0)
        factor = np.divide(product, square, out=np.ones_like(square), where=square > 0)
        return np.asarray(np.clip(factor, *_SCALE_LIMITS), dtype=np.float64)

    def halfwidths(
        self, targets: TargetSpec, *, scale: NDArray[np.float64], level: float
    ) -> NDArray[np.float64]:
        """Half-widths that cover new groups at `level`, shape (target,).

        Sums get theirs from their own residuals, which know how the parts' errors go together;
        adding the parts' bounds would not.
        """
        residuals = self.y - targets.sums(self.components * scale)
        return np.array(
            [
                group_conformal_halfwidth(residuals[:, column], self.groups, level=level)
                for column in range(len(targets.names))
            ]
        )


def prediction_frame(
    image_ids: Sequence[str],
    components: NDArray[np.float64],
    *,
    targets: TargetSpec,
    halfwidths: NDArray[np.float64],
) -> pd.DataFrame:
    """Tidy predictions: `image_id, target, y_pred, y_lower, y_upper`, a row an image and target.

    Args:
        image_ids: One a photo.
        components: Shape (photo, component), >= 0, in the targets' units.
        targets: The targets and their identities.
        halfwidths: Shape (target,).
    """
    y = targets.sums(components)
    return pd.DataFrame(
        {
            "image_id": np.repeat(np.array(image_ids, dtype=object), len(targets.names)),
            "target": list(targets.names) * len(image_ids),
            "y_pred": y.ravel(),
            "y_lower": np.maximum(y - halfwidths, 0.0).ravel(),
            "y_upper": (y + halfwidths).ravel(),
        }
    ).astype({"image_id": "str", "target": "str"})
