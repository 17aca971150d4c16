"""What folds may say of photos, for laws: any points, any widths, draws that add up."""

import numpy as np
from hypothesis import strategies as st

from biomass_pipeline.config import DataConfig
from biomass_pipeline.mil.predictive import Predictive
from biomass_pipeline.mil.targets import TargetSpec

TARGETS = TargetSpec.from_config(DataConfig())
LEVELS = (0.5, 0.8, 0.9)


def fold_of(components, half, draws, *, names=None):
    """One fold's predictive.

    Args:
        components: Shape (photo, component).
        half: Shape (level, photo, target).
        draws: Shape (draw, photo, component).
        names: Of the photos.
    """
    y = TARGETS.sums(np.asarray(components, float))
    return Predictive(
        image_ids=tuple(names or (f"p{number}" for number in range(len(y)))),
        targets=TARGETS,
        components=np.asarray(components, float),
        levels=LEVELS,
        lower=np.maximum(y - half, 0.0),
        upper=y + half,
        draws=TARGETS.sums(np.asarray(draws, float)),
        headline=0.9,
    )


def chance_fold(seed, *, n_photos, n_draws=7):
    """A fold whose points are up to 100 g, with zeros among its draws."""
    chance = np.random.default_rng(seed)
    components = chance.gamma(1.0, 20.0, (n_photos, 3))
    half = np.sort(chance.gamma(2.0, 5.0, (len(LEVELS), n_photos, 5)), axis=0)
    draws = np.maximum(components + chance.normal(0, 15.0, (n_draws, n_photos, 3)), 0.0)
    return fold_of(components, half, draws)


@st.composite
def some_folds(draw):
    """One to six folds that speak of the same one to five photos."""
    n_photos = draw(st.integers(1, 5))
    seeds = draw(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=6))
    return [chance_fold(seed, n_photos=n_photos) for seed in seeds]
