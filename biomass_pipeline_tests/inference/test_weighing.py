import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from biomass_pipeline.inference.weighing import Weighing
from biomass_pipeline_tests.inference.sites import CSIRO

MATRIX = np.array(CSIRO.matrix)
MASSES = arrays(float, 3, elements=st.floats(0, 200))
SOME = arrays(bool, 5)


def weighing(**masses):
    row = [masses.get(name, np.nan) for name in CSIRO.names]
    return Weighing(("a",), np.array([row], dtype=float), CSIRO)


@given(components=MASSES, weighed=SOME)
def test_what_follows_from_what_was_weighed_is_right(components, weighed):
    truth = CSIRO.sums(components[None])[0]
    found = Weighing(("a",), np.where(weighed, truth, np.nan)[None], CSIRO)
    implied = found.implied()[0]
    known = np.isfinite(implied)
    assert (known >= weighed).all()
    np.testing.assert_allclose(implied[known], truth[known], atol=1e-9)
    assert found.contradictions()[0] < 1e-6


@given(weighed=SOME)
def test_equations_are_as_many_as_there_is_to_know(weighed):
    found = Weighing(("a",), np.where(weighed, 1.0, np.nan)[None], CSIRO)
    (rows,) = found.equations()
    assert set(rows.tolist()) <= set(np.flatnonzero(weighed).tolist())
    rank = np.linalg.matrix_rank(MATRIX[weighed]) if weighed.any() else 0
    assert len(rows) == rank


def test_with_all_components_the_sums_are_no_equations():
    (rows,) = weighing(**dict.fromkeys(CSIRO.names, 1.0)).equations()
    assert {CSIRO.names[row] for row in rows} == set(CSIRO.components)


def test_a_part_is_what_the_sum_leaves():
    found = weighing(Dry_Total_g=30.0, GDM_g=20.0, Dry_Green_g=15.0)
    implied = dict(zip(CSIRO.names, found.implied()[0], strict=True))
    assert implied["Dry_Dead_g"] == pytest.approx(10)
    assert implied["Dry_Clover_g"] == pytest.approx(5)


@pytest.mark.parametrize(
    "masses",
    [
        {"Dry_Total_g": 3.0, "Dry_Green_g": 5.0},
        {"Dry_Total_g": 10.0, "GDM_g": 12.0},
        {"GDM_g": 10.0, "Dry_Green_g": 5.0, "Dry_Clover_g": 3.0},
    ],
)
def test_masses_that_cannot_add_up_are_found(masses):
    assert weighing(**masses).contradictions()[0] > 0.5


def test_a_table_of_cuts_is_one_row_a_photo_of_real_masses():
    good = pd.DataFrame({"image_id": ["b", "a"], "Dry_Total_g": [2.0, 1.0], "note": ["x", "y"]})
    found = Weighing.from_frame(good, CSIRO)
    assert found.image_ids == ("a", "b")
    assert found.y[:, CSIRO.names.index("Dry_Total_g")].tolist() == [1.0, 2.0]
    assert found.without(0).image_ids == ("b",)
    for wrong in ({"image_id": ["a", "a"]}, {"Dry_Total_g": [-1.0, 1.0]}):
        with pytest.raises(ValueError, match="one row a photo"):
            Weighing.from_frame(good.assign(**wrong), CSIRO)
