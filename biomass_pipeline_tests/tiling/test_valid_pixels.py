"""Valid pixels counted once, and asked for between any of the edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.manifest.orientation import ORIENTATIONS
from biomass_pipeline.tiling import ValidPixels
from biomass_pipeline_tests.tiling.test_validity import masks, picture_of


def edges(extent, chance):
    inner = chance.integers(0, extent + 1, 5)
    return np.unique(np.concatenate([[0, extent], inner])).astype(np.int64)


@given(mask=masks(), number=st.sampled_from(list(ORIENTATIONS)), seed=st.integers(0, 99))
def test_they_are_those_of_the_mask(mask, number, seed):
    chance = np.random.default_rng(seed)
    rows, cols = (edges(extent, chance) for extent in mask.shape)
    found = ValidPixels.of(picture_of(mask, number=number), rows, cols)
    assert found.n_px == mask.sum()
    some_rows, some_cols = rows[[0, -1]], cols[:: len(cols) - 1]
    for asked in ((rows, cols), (some_rows, cols), (rows, some_cols)):
        counts = np.add.reduceat(mask.astype(int), asked[0][:-1], axis=0)
        counts = np.add.reduceat(counts, asked[1][:-1], axis=1)
        np.testing.assert_array_equal(found.between(*asked), counts)


def test_other_edges_are_refused():
    found = ValidPixels.of(picture_of(np.ones((4, 4), bool)), np.array([0, 4]), np.array([0, 4]))
    for asked in ([0, 2], [0, 5]):
        with pytest.raises(ValueError, match="not counted at these edges"):
            found.between(np.array(asked), np.array([0, 4]))
