import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.mil.ridge.labels import TRANSFORMS


@given(y=st.floats(0, 1e4), name=st.sampled_from(sorted(TRANSFORMS)))
def test_back_undoes_forward(y, name):
    transform = TRANSFORMS[name]
    assert transform.back(transform.forward(np.array([y]))) == pytest.approx([y], rel=1e-9)


@given(predicted=st.floats(-50, 5), name=st.sampled_from(sorted(TRANSFORMS)))
def test_nothing_negative_comes_back(predicted, name):
    found = TRANSFORMS[name].back(np.array([predicted]))
    assert found >= 0
    assert predicted > 0 or found == 0
