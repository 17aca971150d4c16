"""What was weighed of a cut, and what that tells about the components. Arrays only, no files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import nnls

from biomass_pipeline.mil.targets import TargetSpec

Floats = NDArray[np.float64]

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Weighing:
    """Cuts in the order of their photos' names, so that no result depends on the file's order.

    Attributes:
        image_ids: One a cut, each once, rising.
        y: Shape (cut, target), in the targets' units; NaN where it was not weighed.
        targets: The targets and their identities.
    """

    image_ids: tuple[str, ...]
    y: Floats
    targets: TargetSpec

    @classmethod
    def from_frame(cls, cuts: pd.DataFrame, targets: TargetSpec) -> Self:
        """Read a table of column `image_id` and some of the targets; others are ignored.

        Raises:
            ValueError: A photo stands there twice, or a mass is negative or infinite.
        """
        columns = {name: cuts[name] for name in targets.names if name in cuts}
        table = pd.DataFrame(columns, dtype="float64").reindex(columns=list(targets.names))
        y = table.to_numpy(dtype=np.float64)
        names = cuts["image_id"].astype("str").to_numpy(dtype=np.str_)
        order = np.argsort(names, kind="stable")
        if len(np.unique(names)) < len(names) or (y < 0).any() or np.isinf(y).any():
            msg = "cuts need one row a photo, and masses that are finite and not negative"
            raise ValueError(msg)
        return cls(tuple(names[order].tolist()), y[order], targets)

    def __len__(self) -> int:
        return len(self.image_ids)

    def without(self, number: int) -> "Weighing":
        """All cuts but one."""
        kept = [i for i in range(len(self)) if i != number]
        return Weighing(tuple(self.image_ids[i] for i in kept), self.y[kept], self.targets)

    def equations(self) -> Iterator[NDArray[np.int64]]:
        """Of each cut, the weighed targets that do not follow from others of it.

        Components come first, then sums of few parts: with all components weighed the sums are
        left out, with a total only the total is all there is.
        """
        known: dict[tuple[bool, ...], NDArray[np.int64]] = {}
        for row in np.isfinite(self.y):
            pattern = tuple(row.tolist())
            if pattern not in known:
                known[pattern] = _independent(np.flatnonzero(row), self.targets)
            yield known[pattern]

    def implied(self) -> Floats:
        """Shape (cut, target): what was weighed, and what follows from it by identity."""
        matrix = np.array(self.targets.matrix, dtype=np.float64)
        filled = self.y.copy()
        for number, rows in enumerate(self.equations()):
            if len(rows) == 0:
                continue
            share, _, _, _ = np.linalg.lstsq(matrix[rows].T, matrix.T, rcond=None)
            follows = np.abs(matrix[rows].T @ share - matrix.T).max(axis=0) < _ROUNDING
            missing = follows & np.isnan(filled[number])
            value = np.maximum(self.y[number, rows] @ share, 0.0)
            filled[number, missing] = value[missing]
        return filled

    def contradictions(self) -> Floats:
        """Shape (cut,): how far the masses are from any that add up and are not negative.

        The largest distance of a mass from those of the nearest components, in the targets' unit;
        0 for a cut without masses.
        """
        matrix = np.array(self.targets.matrix, dtype=np.float64)
        apart = np.zeros(len(self))
        for number, y in enumerate(self.y):
            weighed = np.isfinite(y)
            if weighed.any():
                components, _ = nnls(matrix[weighed], y[weighed])
                apart[number] = np.abs(matrix[weighed] @ components - y[weighed]).max()
        return apart


def _independent(weighed: NDArray[np.int64], targets: TargetSpec) -> NDArray[np.int64]:
    """A largest set of targets none of which follows from the others, simple ones first."""
    matrix = np.array(targets.matrix, dtype=np.float64)
    order: Sequence[int] = sorted(weighed.tolist(), key=lambda t: (np.count_nonzero(matrix[t]), t))
    chosen: list[int] = []
    for target in order:
        if np.linalg.matrix_rank(matrix[[*chosen, target]]) > len(chosen):
            chosen.append(target)
    return np.array(chosen, dtype=np.int64)
