import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from biomass_pipeline.config import DataConfig
from biomass_pipeline.scoring import mint_weights, reconcile

DATA = DataConfig()
SUMS = np.array(DATA.component_matrix(), dtype=float)
METRIC = np.array([target.weight for target in DATA.targets])

targets = arrays(float, (4, 5), elements=st.floats(-50, 200))
components = arrays(float, (4, 3), elements=st.floats(0, 200))
diagonal = arrays(float, 5, elements=st.floats(0.01, 10))


@st.composite
def full(draw):
    """Positive definite, as the inverse of a covariance."""
    root = draw(arrays(float, (5, 5), elements=st.floats(-1, 1)))
    return root @ root.T + 0.05 * np.eye(5)


weights = st.one_of(diagonal, full())


def loss(b, x, weight):
    matrix = np.diag(weight) if weight.ndim == 1 else weight
    apart = b @ SUMS.T - x
    return np.einsum("nt,tu,nu->n", apart, matrix, apart)


@given(b=components, weight=weights)
def test_coherent_predictions_keep_their_components(b, weight):
    np.testing.assert_allclose(reconcile(b @ SUMS.T, SUMS, weights=weight), b, atol=1e-6)


@given(x=targets, weight=weights)
def test_reconciling_twice_changes_nothing(x, weight):
    once = reconcile(x, SUMS, weights=weight)
    np.testing.assert_allclose(reconcile(once @ SUMS.T, SUMS, weights=weight), once, atol=1e-6)


@given(x=targets, weight=weights)
def test_nothing_is_negative_and_every_identity_holds(x, weight):
    b = reconcile(x, SUMS, weights=weight)
    assert b.min() >= 0
    column = dict(zip(DATA.target_names, (b @ SUMS.T).T, strict=True))
    for total, parts in DATA.identities.items():
        np.testing.assert_allclose(column[total], sum(column[part] for part in parts), atol=1e-9)


@given(x=targets, weight=weights, factor=st.floats(1e-6, 1e6))
def test_only_the_proportions_of_the_weights_matter(x, weight, factor):
    np.testing.assert_allclose(
        reconcile(x, SUMS, weights=factor * weight),
        reconcile(x, SUMS, weights=weight),
        atol=1e-5,
    )


@given(x=targets, other=components, weight=weights)
def test_no_other_components_come_nearer(x, other, weight):
    best = loss(reconcile(x, SUMS, weights=weight), x, weight)
    assert (best <= loss(other, x, weight) * (1 + 1e-6) + 1e-6).all()


def test_each_photo_is_reconciled_on_its_own():
    x = np.random.default_rng(0).normal(10, 20, (6, 5))
    together = reconcile(x, SUMS, weights=METRIC)
    for row in range(6):
        alone = reconcile(x[row : row + 1], SUMS, weights=METRIC)[0]
        np.testing.assert_allclose(together[row], alone, atol=1e-9)


def test_what_weighs_most_is_believed():
    x = np.array([[10.0, 0.0, 0.0, 10.0, 30.0]])  # GDM says 10, Total 30, their parts too little
    names = list(DATA.target_names)
    total = names.index("Dry_Total_g")
    heavy = np.where(np.arange(5) == total, 1e6, 1.0)
    assert reconcile(x, SUMS, weights=heavy).sum() == pytest.approx(x[0, total], abs=1e-3)
    light = np.where(np.arange(5) == total, 0.0, 1.0)
    others = reconcile(x, SUMS, weights=light)[0] @ SUMS.T
    assert others[total] < 20


@pytest.mark.parametrize("bad", [np.zeros(5), -METRIC, np.diag([-1.0, 1, 1, 1, 1])])
def test_weights_that_weigh_nothing_are_refused(bad):
    with pytest.raises(ValueError, match="weights >= 0"):
        reconcile(np.ones((1, 5)), SUMS, weights=bad)


def test_predictions_are_numbers():
    with pytest.raises(ValueError, match="finite numbers"):
        reconcile(np.full((1, 5), np.nan), SUMS, weights=METRIC)


def test_independent_errors_are_weighed_by_their_precision():
    chance = np.random.default_rng(0)
    sd = np.array([1.0, 2.0, 4.0, 8.0])
    found = mint_weights(sd * chance.normal(size=(20_000, 4)))
    np.testing.assert_allclose(np.diag(found), sd**-2.0, rtol=0.05)
    assert np.abs(found - np.diag(np.diag(found))).max() < 0.02


def test_many_rows_give_the_inverse_covariance():
    chance = np.random.default_rng(1)
    mix = chance.normal(size=(4, 4))
    found = mint_weights(chance.normal(size=(50_000, 4)) @ mix.T)
    np.testing.assert_allclose(found @ mix @ mix.T, np.eye(4), atol=0.1)


@given(n=st.integers(2, 6), seed=st.integers(0, 50))
def test_few_rows_still_give_weights_that_can_be_used(n, seed):
    weight = mint_weights(np.random.default_rng(seed).normal(size=(n, 5)))
    assert np.linalg.eigvalsh(weight).min() > 0
    np.testing.assert_array_equal(weight, weight.T)


def test_coherent_residuals_and_a_target_never_wrong_are_no_trouble():
    parts = np.random.default_rng(2).normal(size=(50, 3)) * [1.0, 1.0, 0.0]
    weight = mint_weights(parts @ SUMS.T)
    assert np.isfinite(weight).all()
    assert np.isfinite(reconcile(np.ones((2, 5)), SUMS, weights=weight)).all()


def test_mint_beats_the_metrics_weights_where_totals_are_predicted_best():
    chance = np.random.default_rng(3)
    b = chance.gamma(2, 10, (2000, 3))
    sd = np.array([8.0 if name != "Dry_Total_g" else 1.0 for name in DATA.target_names])
    y = b @ SUMS.T
    x = y + sd * chance.normal(size=y.shape)
    mint = reconcile(x, SUMS, weights=mint_weights((y - x)[:1000]))[1000:] @ SUMS.T
    even = reconcile(x, SUMS, weights=np.ones(5))[1000:] @ SUMS.T
    assert ((mint - y[1000:]) ** 2).mean() < 0.9 * ((even - y[1000:]) ** 2).mean()


def test_one_row_has_no_covariance():
    with pytest.raises(ValueError, match="at least 2 photos, found 1"):
        mint_weights(np.ones((1, 5)))
