from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from biomass_pipeline.config import DataConfig, TrainingConfig
from biomass_pipeline.mil.distributions import GammaHurdle, Tweedie, Ziln
from biomass_pipeline.mil.losses import (
    LabelScale,
    Objective,
    weighted_huber,
    weighted_squared_error,
)
from biomass_pipeline.mil.targets import TargetSpec

CSIRO = TargetSpec.from_config(DataConfig())
HIDDEN = 6
LOSSES = ["huber", "squared_error", "ziln", "gamma_hurdle", "tweedie"]
MIXTURE = {"ziln": 0.5, "huber": 2.0, "tweedie": 0.25, "squared_error": 1.0, "gamma_hurdle": 0.3}


def labels(n=30, seed=0):
    chance = np.random.default_rng(seed)
    parts = chance.lognormal(1, 1, (n, 3)) * (chance.random((n, 3)) < 0.7)
    return CSIRO.sums(parts)


def fitted(y, targets=CSIRO):
    scale = LabelScale(targets)
    scale.fit(y)
    return scale.double()


def objective(loss, scale, **settings):
    torch.manual_seed(0)
    training = TrainingConfig(loss=loss, hidden_dim=HIDDEN, **settings)
    return Objective(training, scale).double()


def outputs(n=30, n_outputs=3, seed=1):
    chance = torch.Generator().manual_seed(seed)
    mean = 3 * torch.rand(n, n_outputs, generator=chance, dtype=torch.float64)
    return mean, torch.randn(n, HIDDEN, generator=chance, dtype=torch.float64)


def in_grams(guess, y):
    return CSIRO.sums(guess.numpy() * y[:, list(CSIRO.component_columns)].mean(axis=0))


@given(seed=st.integers(0, 30), delta=st.sampled_from([0.5, 1.0, 3.0]))
def test_the_huber_loss_weighs_every_target_by_name_in_grams(seed, delta):
    y = labels(seed=seed)
    guess, embedding = outputs(seed=seed)
    scale = fitted(y)
    found = objective("huber", scale, huber_delta=delta).losses(
        guess, embedding, scale.truth(y), scale
    )
    predicted, weight = in_grams(guess, y), DataConfig().target_weights
    expected = np.zeros(30)
    for column, name in enumerate(CSIRO.names):
        sd = y[:, column].std()
        error = predicted[:, column] - y[:, column]
        # Huber in grams with its knee at delta sd, over the variance.
        expected += weight[name] * special.huber(delta * sd, np.abs(error)) / sd**2
    assert found.numpy() == pytest.approx(expected, rel=1e-4)


@given(seed=st.integers(0, 30))
def test_the_squared_error_weighs_every_target_by_name_in_grams(seed):
    y = labels(seed=seed)
    guess, _ = outputs(seed=seed)
    scale = fitted(y)
    found = weighted_squared_error(guess, scale.truth(y), scale)
    weight = np.array([DataConfig().target_weights[name] for name in CSIRO.names])
    expected = ((in_grams(guess, y) - y) ** 2 / y.var(axis=0)) @ weight
    assert found.numpy() == pytest.approx(expected, rel=1e-4)
    far = weighted_huber(guess, scale.truth(y), scale, delta=1e6)
    assert torch.allclose(far, found / 2)


def test_ziln_with_huber_is_computed_by_hand():
    """Two photos, one target: every number below is from the formula, none from the code."""
    targets = TargetSpec(("cover",), (1.0,), ("cover",), ((1.0,),), (0.05,))
    y = np.array([[4.0], [0.0]])
    scale = fitted(y, targets)
    assert (scale.component_mean.item(), scale.target_sd.item()) == (2.0, 2.0)
    mixed = objective("ziln", scale, huber_delta=0.5)
    mean = torch.tensor([[1.5], [0.25]], dtype=torch.float64)
    found = mixed.losses(mean, torch.zeros(2, HIDDEN, dtype=torch.float64), scale.truth(y), scale)
    # Half of the photos hold something: p = 1/2; a fresh spread is 1/2. Label 4 g is 2 means.
    mu = np.log(1.5 + 1e-6) - np.log(0.5) - 0.5**2 / 2
    positive = -(
        np.log(0.5)
        - np.log(2.0 * 0.5 * np.sqrt(2 * np.pi))
        - (np.log(2.0) - mu) ** 2 / (2 * 0.5**2)
    )
    absent = -np.log(1 - 0.5)
    # Predicted 3 g and 0.5 g: off by 0.5 and 0.25 sd, and the knee is at 0.5 sd.
    huber = [0.5**2 / 2, 0.25**2 / 2]
    weights = TrainingConfig(loss="ziln").loss
    expected = [
        weights["ziln"] * positive + weights["huber"] * huber[0],
        weights["ziln"] * absent + weights["huber"] * huber[1],
    ]
    assert found.tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("loss", [*LOSSES, MIXTURE], ids=[*LOSSES, "mixture"])
def test_the_loss_is_the_mean_of_photos_that_are_scored_alone(loss):
    y = labels()
    y[3] = 0.0
    scale = fitted(y)
    found = objective(loss, scale)
    mean, embedding = outputs()
    truth = scale.truth(y)
    whole = found.losses(mean, embedding, truth, scale)
    alone = [
        found.losses(mean[[i]], embedding[[i]], truth.select(torch.tensor([i])), scale)
        for i in range(30)
    ]
    assert whole.shape == (30,)
    assert torch.allclose(whole, torch.cat(alone), rtol=1e-9)
    assert whole.mean().item() == pytest.approx(torch.stack(alone).mean().item(), rel=1e-9)


@pytest.mark.parametrize("loss", ["ziln", "gamma_hurdle"])
def test_a_likelihood_is_averaged_over_all_rows(loss):
    y = np.zeros((4, 5))
    y[0] = CSIRO.sums(np.array([[1.0, 1.0, 1.0]]))
    scale = fitted(y)
    found = objective({loss: 1.0}, scale)
    mean, embedding = outputs(4)
    truth = scale.truth(y)
    likelihood = found.likelihoods[loss]
    nll = likelihood.nll(likelihood(mean, embedding), truth.scaled, truth.present)
    total = found.losses(mean, embedding, truth, scale).mean().item()
    assert total == pytest.approx(nll.sum().item() / 12, rel=1e-9)


@settings(max_examples=40)
@given(factors=st.tuples(*[st.floats(0.01, 10)] * len(MIXTURE)))
def test_weights_of_a_mixture_are_linear(factors):
    y = labels()
    scale = fitted(y)
    mean, embedding = outputs()
    truth = scale.truth(y)
    mixed = objective(dict(zip(MIXTURE, factors, strict=True)), scale)
    expected = torch.zeros(30, dtype=torch.float64)
    for name, factor in zip(MIXTURE, factors, strict=True):
        single = objective({name: 1.0}, scale)
        if name in mixed.likelihoods:
            single.likelihoods[name].load_state_dict(mixed.likelihoods[name].state_dict())
        expected += factor * single.losses(mean, embedding, truth, scale)
    assert torch.allclose(mixed.losses(mean, embedding, truth, scale), expected)


def permuted(order):
    """CSIRO's targets in another order, with the components' order that follows from it."""
    names = [CSIRO.names[i] for i in order]
    data = DataConfig()
    by_name = {target.name: target for target in data.targets}
    return TargetSpec.from_config(
        DataConfig(targets=tuple(by_name[name] for name in names), identities=data.identities)
    )


@settings(max_examples=40)
@given(order=st.permutations(range(5)), independent=st.booleans())
def test_the_order_of_targets_changes_nothing(order, independent):
    first, second = CSIRO, permuted(order)
    if independent:
        first, second = first.independent(), second.independent()
    y = labels()
    moved = [first.components.index(name) for name in second.components]
    scales = fitted(y, first), fitted(y[:, order], second)
    mean, embedding = outputs(n_outputs=len(first.components))
    one, other = (objective(MIXTURE, scale) for scale in scales)
    with torch.no_grad():
        for p, q in zip(one.parameters(), other.parameters(), strict=True):
            q.copy_(p[moved])
    found = one.losses(mean, embedding, scales[0].truth(y), scales[0])
    again = other.losses(mean[:, moved], embedding, scales[1].truth(y[:, order]), scales[1])
    assert torch.allclose(found, again, rtol=1e-6)


def test_zeros_are_decided_before_scaling():
    y = labels()
    y[:, CSIRO.names.index("Dry_Clover_g")] = 0.0
    y[0, CSIRO.names.index("Dry_Clover_g")] = 0.04
    y[1, CSIRO.names.index("Dry_Clover_g")] = 0.06
    scale = fitted(y)
    truth = scale.truth(y)
    clover = CSIRO.components.index("Dry_Clover_g")
    assert truth.scaled[0, clover] > 0.05
    assert truth.present[:3, clover].tolist() == [False, True, False]


def test_independent_targets_have_limits_and_distributions_of_their_own():
    targets = replace(CSIRO, detection_limits=(0.05, 0.05, 0.05, 0.05, 3.0)).independent()
    y = labels()
    y[0] = CSIRO.sums(np.array([[1.0, 0.5, 1.0]]))
    scale = fitted(y, targets)
    total = CSIRO.names.index("Dry_Total_g")
    assert scale.truth(y).present[0].tolist() == [column != total for column in range(5)]
    mean, embedding = outputs(n_outputs=5)
    found = objective("ziln", scale)
    assert found.distribution(mean, embedding).p_zero.shape == (30, 5)
    assert torch.isfinite(found.losses(mean, embedding, scale.truth(y), scale)).all()


@pytest.mark.parametrize("independent", [False, True])
@pytest.mark.parametrize("amount", [0.0, 0.03])
def test_a_component_that_is_never_found_breaks_nothing(independent, amount):
    targets = CSIRO.independent() if independent else CSIRO
    y = labels()
    dead = CSIRO.names.index("Dry_Dead_g")
    y[:, dead] = 0.0
    y[4, dead] = amount
    scale = fitted(y, targets)
    unit = scale.component_mean[targets.components.index("Dry_Dead_g")]
    assert unit == pytest.approx(0.05), "predicted next to nothing: in units of the detection limit"
    assert scale.presence[targets.components.index("Dry_Dead_g")] == 0
    assert scale.target_sd[dead] > 0
    found = objective(MIXTURE, scale)
    mean, embedding = outputs(n_outputs=len(targets.components))
    mean.requires_grad_()
    losses = found.losses(mean, embedding, scale.truth(y), scale)
    assert torch.isfinite(losses).all()
    losses.mean().backward()
    for tensor in (mean, *found.parameters()):
        assert torch.isfinite(tensor.grad).all()


@pytest.mark.parametrize(
    ("loss", "kind"),
    [
        ("huber", None),
        ({"huber": 1.0, "squared_error": 3.0}, None),
        ("ziln", Ziln),
        ({"ziln": 0.1, "gamma_hurdle": 0.2, "huber": 9.0}, GammaHurdle),
        ({"tweedie": 1.0, "ziln": 1.0}, Tweedie),
        ({"ziln": 1.0, "tweedie": 1.0}, Ziln),
    ],
)
def test_the_distribution_is_the_heaviest_likelihoods(loss, kind):
    scale = fitted(labels())
    mean, embedding = outputs()
    found = objective(loss, scale).distribution(mean, embedding)
    assert found is None if kind is None else isinstance(found, kind)
    if found is not None:
        assert torch.allclose(found.mean, mean, atol=2e-6)


def test_a_mean_that_is_not_a_number_is_told_and_not_hidden():
    y = labels()
    y[2] = CSIRO.sums(np.ones((1, 3)))
    scale = fitted(y)
    mean, embedding = outputs()
    mean[2, 1] = torch.nan
    for loss in LOSSES:
        found = objective({loss: 1.0}, scale).losses(mean, embedding, scale.truth(y), scale)
        assert torch.isnan(found).nonzero().flatten().tolist() == [2]


def test_statistics_travel_in_the_state():
    scale, y = LabelScale(CSIRO), labels()
    fresh = LabelScale(CSIRO)
    assert fresh.component_mean.tolist() == [1, 1, 1]
    assert fresh.presence.tolist() == [0.5, 0.5, 0.5]
    scale.fit(y)
    fresh.load_state_dict(scale.state_dict())
    assert torch.equal(fresh.truth(y).scaled, scale.truth(y).scaled)


def test_the_reported_density_is_per_gram():
    """A distribution in grams scores a label as scipy does with the statistics of the labels."""
    y = labels()
    scale = fitted(y)
    mean, embedding = outputs()
    found = objective("ziln", scale).distribution(mean, embedding).rescaled(scale.component_mean)
    grams = 1.7
    expected = stats.lognorm.logpdf(
        grams, s=found.spread.detach().numpy(), scale=np.exp(found.location.detach().numpy())
    ) + np.log(found.presence.detach().numpy())
    assert found.log_prob(grams).detach().numpy() == pytest.approx(expected)
    assert torch.allclose(found.mean, mean * scale.component_mean, atol=1e-4)
