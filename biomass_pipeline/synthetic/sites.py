"""Predictions and weighed masses of sites that a model errs on in a known way; no photos."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.synthetic.spec import COMPONENTS

Floats = NDArray[np.float64]

# Mean grams of `COMPONENTS` in a quadrat, about as in the survey of reference.
_MEAN_G = np.array([8.0, 20.0, 6.0])
_VARIATION = np.array([0.9, 0.7, 1.2])
_ABSENT = np.array([0.1, 0.05, 0.4])  # shares of photos without the component


@dataclass(frozen=True)
class SiteSpec:
    """How sites differ, and how photos of a site do.

    Attributes:
        scale_sd: Of a site's scale about 1, each component its own.
        offset_sd: Of a site's offset about 0, in shares of the component's mean mass.
        noise: Standard deviation of a photo's own error in shares of mean mass plus prediction.
        n_photos: A site.
    """

    scale_sd: float = 0.25
    offset_sd: float = 0.1
    noise: float = 0.25
    n_photos: int = 60

    def unshifted(self) -> "SiteSpec":
        """The same photos on sites that the model is right about on average."""
        return SiteSpec(scale_sd=0.0, offset_sd=0.0, noise=self.noise, n_photos=self.n_photos)


@dataclass(frozen=True)
class DrawnSite:
    """A site's photos.

    Attributes:
        predicted: Grams of `COMPONENTS` by the model, shape (photo, 3).
        weighed: The same as weighed, >= 0; where nothing is predicted there is nothing.
        scale: Shape (3,), true.
        offset: Shape (3,), true, in grams.
    """

    predicted: Floats
    weighed: Floats
    scale: Floats
    offset: Floats


def draw_sites(n: int, *, spec: SiteSpec, chance: np.random.Generator) -> Iterator[DrawnSite]:
    """Draw sites one after the other.

    Args:
        n: How many.
        spec: How they differ.
        chance: The source of everything.
    """
    for _ in range(n):
        shape = (spec.n_photos, len(COMPONENTS))
        mass = chance.gamma(1 / _VARIATION**2, _MEAN_G * _VARIATION**2, shape)
        predicted = np.where(chance.random(shape) < _ABSENT, 0.0, mass)
        scale = np.maximum(1 + spec.scale_sd * chance.normal(size=3), 0.1)
        offset = spec.offset_sd * _MEAN_G * chance.normal(size=3)
        error = spec.noise * (_MEAN_G + predicted) * chance.normal(size=shape)
        weighed = np.where(predicted > 0, scale * predicted + offset + error, 0.0)
        yield DrawnSite(predicted, np.maximum(weighed, 0.0), scale, offset)
