import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.scoring import brier_score, presence_reliability

stated = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(share=st.floats(0, 1))
def test_stating_one_share_everywhere_scores_its_variance(share):
    present = np.arange(100) < 100 * 0.3
    assert brier_score(present, np.full(100, share)) == pytest.approx(0.21 + (share - 0.3) ** 2)


def test_certainty_that_comes_true_scores_zero():
    assert brier_score([True, False], [1.0, 0.0]) == 0
    assert brier_score([True, False], [0.0, 1.0]) == 1


@given(probability=stated, n_bins=st.integers(1, 12))
def test_every_photo_is_in_one_bin_that_holds_its_probability(probability, n_bins):
    present = np.arange(len(probability)) % 2 == 0
    table = presence_reliability(present, probability, n_bins=n_bins)
    assert sum(line.n for line in table) == len(probability)
    for line in table:
        assert line.lower - 1e-9 <= line.stated <= line.upper + 1e-9
    assert [line.lower for line in table] == sorted({line.lower for line in table})
    assert sum(line.n * line.observed for line in table) == pytest.approx(present.sum())


def test_honest_probabilities_lie_on_the_diagonal():
    chance = np.random.default_rng(0)
    probability = chance.random(20_000)
    for line in presence_reliability(chance.random(20_000) < probability, probability):
        assert line.observed == pytest.approx(line.stated, abs=0.04)


def test_no_photo_is_an_error():
    with pytest.raises(UndefinedScoreError, match=r"Brier score.*no photo"):
        brier_score([], [])
    with pytest.raises(UndefinedScoreError, match=r"reliability.*no photo"):
        presence_reliability([], [])


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="a probability a photo"):
        brier_score([True, False], [0.5])
