import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from biomass_pipeline.config import DataConfig
from biomass_pipeline.scoring import sums_from_components

DATA = DataConfig()


@given(components=arrays(float, (4, 3), elements=st.floats(0, 100)))
def test_every_identity_holds_and_components_stay(components):
    values = sums_from_components(components, DATA.component_matrix())
    column = dict(zip(DATA.target_names, values.T, strict=True))
    for total, parts in DATA.identities.items():
        np.testing.assert_allclose(column[total], sum(column[part] for part in parts))
    for name, value in zip(DATA.components, components.T, strict=True):
        np.testing.assert_array_equal(column[name], value)
