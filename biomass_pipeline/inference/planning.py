"""Whether more cuts are worth it, and of which photos."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from biomass_pipeline.inference.calibration import TRUST, SiteCalibration, posterior
from biomass_pipeline.mil.predictive import Predictive

Floats = NDArray[np.float64]

# What an hour in the field should bring to be called worth it.
_WORTH = 0.03
_N_AHEAD = 10
# Distances in more directions are mostly of noise: those of 32 differ little from those of 16.
_N_DIRECTIONS = 16
_MOST_PHOTOS = 1000  # the directions of these are those of all; the cost grows with the cube
_TIE = 1e-9


@dataclass(frozen=True)
class NextCut:
    """A photo to cut next.

    Attributes:
        image_id: The photo.
        gain: By how much its cut lowers the uncertainty about the site, as a share of what is left
            before it, between 0 and 1.
        distance: How unlike all photos cut or chosen before it looks, as a share of the most
            unlike one, between 0 and 1.
    """

    image_id: str
    gain: float
    distance: float


@dataclass(frozen=True)
class Outlook:
    """What more cuts would bring.

    Attributes:
        n_cuts: So far.
        expected: Root of the weighted mean square error expected of the photos not cut: now, then
            after one more cut, after two, and so on.
    """

    n_cuts: int
    expected: tuple[float, ...]

    @property
    def gain(self) -> float:
        """By how much all these cuts together lower the expected error, as a share."""
        return 1.0 - self.expected[-1] / self.expected[0] if self.expected[0] > 0 else 0.0

    @property
    def sentence(self) -> str:
        """Whether more cuts are worth it, for a person."""
        n_more, now = len(self.expected) - 1, self.expected[0]
        if n_more == 0:
            return "There is no photo left to cut."
        figures = (
            f"{n_more} more cut(s) are expected to bring the weighted error of the other photos "
            f"from {now:.3g} to {self.expected[-1]:.3g} ({-self.gain:+.0%})"
        )
        if self.gain < _WORTH:
            return f"More cuts are hardly worth it: {figures}. The rest is each photo's own error."
        half = next(n for n, error in enumerate(self.expected) if now - error >= self._half())
        return f"More cuts are worth it: {figures}; half of that comes with the first {half}."

    def _half(self) -> float:
        return (self.expected[0] - self.expected[-1]) / 2


def next_cuts(
    predictive: Predictive, pooled: ArrayLike, n: int, *, site: SiteCalibration
) -> list[NextCut]:
    """Choose photos to cut next, one after the other, as if each were weighed whole.

    Each is the one with the largest product of two shares: how much its cut lowers the mean
    weighted variance that the site's unknown shift adds to all photos (A-optimal design, Atkinson,
    Donev and Tobias 2007, Optimum Experimental Designs), and how far it looks from the photos cut
    or chosen before (k-centre greedy, Sener and Savarese 2018, arXiv 1708.00489). The product
    wants both: a telling photo much like one already cut tells little new.

    Args:
        predictive: The model's predictions, of all photos of the site.
        pooled: Their pooled features, shape (photo, pooled).
        n: How many; fewer where fewer photos are left.
        site: Learnt from the cuts so far; they are not proposed again.
    """
    plan = _Plan(predictive, np.asarray(pooled, dtype=np.float64), site)
    return [plan.take() for _ in range(min(n, plan.n_left))]


def worth_of_more_cuts(
    predictive: Predictive, chosen: Sequence[NextCut], *, site: SiteCalibration
) -> Outlook:
    """The error expected after 1 to 10 more cuts of the chosen photos, each weighed whole.

    It is what the prior and the cuts so far imply: the photos' own errors, which no cut lowers,
    and what the shift of the site adds.

    Args:
        predictive: The model's predictions, of all photos of the site.
        chosen: As `next_cuts` gives them; what comes after the first 10 is ignored.
        site: Learnt from the cuts so far.
    """
    names = [cut.image_id for cut in chosen[:_N_AHEAD]]
    gone = {*site.cuts.image_ids, *names}
    left = np.array([name not in gone for name in predictive.image_ids])
    # With no photo beside the chosen ones, those themselves are what the cuts are for.
    others = predictive.components[left if left.any() else slice(None)]
    place = {name: row for row, name in enumerate(predictive.image_ids)}
    expected = [site.expected_error(others)]
    for name in names:
        gram = _information(site, predictive.components[[place[name]]])[0]
        site = replace(site, covariance=posterior(site.covariance, gram))
        expected.append(site.expected_error(others))
    return Outlook(n_cuts=len(site.cuts), expected=tuple(expected))


class _Plan:
    """Photos taken one after the other."""

    def __init__(self, predictive: Predictive, pooled: Floats, site: SiteCalibration) -> None:
        components, weights = predictive.components, np.array(predictive.targets.weights)
        self._names = predictive.image_ids
        self._information = _information(site, components)
        cut = {*site.cuts.image_ids}
        self._left = np.array([name not in cut for name in self._names], dtype=bool)
        self._place = _directions(pooled)
        self._covariance = site.covariance
        design = site.prior.target_design(components[self._left])
        # The trace of this with the shift's covariance is the mean weighted variance.
        self._wanted = np.einsum("ptk,t,ptl->kl", design, weights, design, optimize=True)
        self._distance = np.full(len(self._names), np.inf)
        for row in np.flatnonzero(~self._left).tolist():
            self._near(row)

    @property
    def n_left(self) -> int:
        """Photos that are neither cut nor chosen."""
        return int(self._left.sum())

    def take(self) -> NextCut:
        """Choose the best of those left, and count it as cut."""
        rows = np.flatnonzero(self._left)
        gain, distance = self._gains(rows), _share(self._distance[rows])
        best = int(np.argmax(_share(gain) * distance + _TIE * (_share(gain) + distance)))
        row = int(rows[best])
        self._covariance = posterior(self._covariance, self._information[row])
        self._left[row] = False
        self._near(row)
        return NextCut(self._names[row], gain=float(gain[best]), distance=float(distance[best]))

    def _gains(self, rows: NDArray[np.intp]) -> Floats:
        """By what share each photo's cut lowers the shift's variance, shape (row,)."""
        now = float((self._wanted * self._covariance).sum())
        if now <= 0:
            return np.zeros(len(rows))
        step = np.eye(len(self._covariance)) + self._covariance @ self._information[rows]
        after = np.linalg.solve(step, np.broadcast_to(self._covariance, step.shape))
        share = 1.0 - (self._wanted * after).sum(axis=(1, 2)) / now
        return np.asarray(np.clip(share, 0.0, 1.0), dtype=np.float64)

    def _near(self, row: int) -> None:
        away = np.sqrt(((self._place - self._place[row]) ** 2).sum(axis=1))
        self._distance = np.minimum(self._distance, away)


def _information(site: SiteCalibration, components: Floats) -> Floats:
    """What a cut weighed whole tells of the shift, shape (photo, parameter, parameter)."""
    columns = list(site.prior.targets.component_columns)
    design = site.prior.target_design(components)[:, columns]
    noise = site.prior.target_noise(components)[:, columns][:, :, columns]
    told = TRUST * np.swapaxes(design, 1, 2) @ np.linalg.solve(noise, design)
    return np.asarray(told, dtype=np.float64)


def _directions(pooled: Floats) -> Floats:
    """Photos along the main directions of their standardised features, shape (photo, direction)."""
    sd = pooled.std(axis=0)
    z = (pooled - pooled.mean(axis=0)) / np.where(sd > 0, sd, np.inf)
    some = z[:: -(-len(z) // _MOST_PHOTOS)] if len(z) else z
    size, vectors = np.linalg.eigh(some @ some.T)
    n = max(1, min(_N_DIRECTIONS, int((size > _TIE * max(len(some), 1)).sum())))
    return np.asarray(z @ np.linalg.qr(some.T @ vectors[:, ::-1][:, :n])[0])


def _share(values: Floats) -> Floats:
    """Of the largest; 1 for all where the largest is infinite, or 0."""
    largest = float(values.max(initial=0.0))
    if not 0 < largest < np.inf:
        return np.ones(len(values))
    return np.asarray(values / largest)
