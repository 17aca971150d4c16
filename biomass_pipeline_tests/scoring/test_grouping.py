import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.scoring import group_weights


@given(groups=st.lists(st.sampled_from("abcde"), min_size=1, max_size=40))
def test_groups_weigh_alike_and_all_weights_add_up_to_one(groups):
    weights, names = group_weights(groups), np.array(groups)
    assert weights.sum() == pytest.approx(1)
    for name in set(groups):
        assert weights[names == name].sum() == pytest.approx(1 / len(set(groups)))
