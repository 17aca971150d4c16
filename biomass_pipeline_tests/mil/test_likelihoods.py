import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.mil.distributions import GammaHurdle, Tweedie, Ziln
from biomass_pipeline.mil.likelihoods import LIKELIHOODS, TweedieLikelihood, tweedie_deviance

HIDDEN = 5
PRESENCE = torch.tensor([0.0, 0.3, 1.0])
KINDS = {
    "ziln": TrainingConfig(),
    "gamma_hurdle": TrainingConfig(),
    "tweedie": TrainingConfig(tweedie_power=1.3),
    "tweedie-learnt": TrainingConfig(tweedie_power="learnt"),
}
kinds = st.sampled_from(list(KINDS))


def make(kind, presence=PRESENCE):
    torch.manual_seed(0)
    return LIKELIHOODS[kind.split("-")[0]](KINDS[kind], HIDDEN, presence)


def bags(scale, seed=0, n_bags=6):
    chance = torch.Generator().manual_seed(seed)
    mean = torch.rand(n_bags, 3, generator=chance) * 3 + 0.01
    return mean, scale * torch.randn(n_bags, HIDDEN, generator=chance)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@settings(max_examples=40)
@given(kind=kinds, scale=st.sampled_from([0.0, 1.0, 1e3, 1e6]), seed=st.integers(0, 50))
def test_the_mean_stays_the_aggregators_whatever_the_embedding(kind, scale, seed):
    mean, embedding = bags(scale, seed)
    assert torch.allclose(make(kind)(mean, embedding).mean, mean, rtol=1e-4, atol=2e-6)


@settings(max_examples=40)
@given(scale=st.sampled_from([0.0, 1.0, 1e3, 1e6]), seed=st.integers(0, 50))
def test_guards_hold_whatever_the_embedding(scale, seed):
    ziln, gamma, tweedie, learnt = (make(kind)(*bags(scale, seed)) for kind in KINDS)
    for hurdle in (ziln, gamma):
        assert hurdle.presence_logit.abs().max() <= 8
    assert 0.15 - 1e-6 <= ziln.spread.min() <= ziln.spread.max() <= 1
    assert 0.5 - 1e-6 <= gamma.shape.min() <= gamma.shape.max() <= 50
    assert 0.02 - 1e-6 <= tweedie.dispersion.min() <= tweedie.dispersion.max() <= 20
    assert torch.allclose(tweedie.power, torch.tensor(1.3))
    assert torch.allclose(learnt.power, torch.tensor(1.5))


def test_a_power_that_is_learnt_stays_between_its_bounds():
    likelihood = make("tweedie-learnt")
    with torch.no_grad():
        likelihood.raw_power.copy_(torch.tensor([-1e6, 0.0, 1e6]))
    assert likelihood.power.tolist() == pytest.approx([1.05, 1.5, 1.95])


@pytest.mark.parametrize("name", ["ziln", "gamma_hurdle"])
def test_a_fresh_hurdle_starts_at_the_training_frequencies(name):
    found = make(name, torch.tensor([0.0, 0.3, 1.0]))(*bags(0.0))
    assert found.presence[0].tolist() == pytest.approx([0.02, 0.3, 0.98], abs=1e-4)


def test_a_fresh_spread_is_one_half_and_a_fresh_shape_much_the_same():
    _, embedding = bags(0.0)
    mean = torch.ones(6, 3)
    assert torch.allclose(make("ziln")(mean, embedding).spread, torch.tensor(0.5))
    shape = make("gamma_hurdle")(mean, embedding).shape
    # The lognormal's coefficient of variation is (e^{s^2} - 1)^{1/2}, the gamma's a^{-1/2}.
    assert (shape[0, 0] ** -0.5).item() == pytest.approx((np.exp(0.25) - 1) ** 0.5, abs=0.01)


def test_a_fresh_tweedie_leaves_out_what_training_photos_leave_out():
    likelihood = make("tweedie", torch.tensor([0.3, 0.6, 0.9]))
    found = likelihood(torch.ones(6, 3), bags(0.0)[1])
    assert found.p_zero[0].tolist() == pytest.approx([0.7, 0.4, 0.1], abs=1e-3)


@given(
    kind=kinds,
    y=st.sampled_from([0.0, 1e-6, 1.0, 1e6]),
    raw=st.sampled_from([-200.0, -20.0, 0.0, 20.0, 200.0]),
    size=st.sampled_from([0.0, 1.0, 1e4, 1e7]),
    sign=st.sampled_from([-1, 1]),
)
def test_gradients_are_finite_at_the_extremes(kind, y, raw, size, sign):
    likelihood = make(kind)
    embedding = (sign * size * torch.ones(2, HIDDEN)).requires_grad_()
    output = torch.full((2, 3), raw, requires_grad=True)
    found = likelihood(torch.nn.functional.softplus(output), embedding)
    nll = likelihood.nll(found, torch.full((2, 3), y), torch.full((2, 3), y > 0))
    assert nll.shape == (2, 3)
    assert torch.isfinite(nll).all()
    nll.mean().backward()
    for tensor in (embedding, output, *likelihood.parameters()):
        assert torch.isfinite(tensor.grad).all()


def test_a_label_below_the_detection_limit_counts_as_zero(kind):
    likelihood = make(kind)
    found = likelihood(*bags(1.0))
    scaled, present = torch.full((6, 3), 0.4), torch.zeros(6, 3, dtype=torch.bool)
    zero = likelihood.nll(found, torch.zeros(6, 3), present)
    assert torch.equal(likelihood.nll(found, scaled, present), zero)
    assert not torch.equal(likelihood.nll(found, scaled, ~present), zero)


@given(
    y=st.floats(0.01, 50), mean=st.floats(0.05, 20), logit=st.floats(-8, 8), s=st.floats(0.15, 1)
)
def test_the_ziln_likelihood_is_scipys(y, mean, logit, s):
    p = special.expit(logit)
    mu = np.log(mean + 1e-6) - np.log(p) - s**2 / 2
    expected = -np.log(p) - stats.lognorm.logpdf(y, s=s, scale=np.exp(mu))
    mean_, logit_, s_ = (torch.tensor([v, v], dtype=torch.float64) for v in (mean, logit, s))
    nll = make("ziln").nll(
        Ziln.of_mean(mean_, logit_, s_),
        torch.tensor([y, 0.0], dtype=torch.float64),
        torch.tensor([True, False]),
    )
    assert nll[0].item() == pytest.approx(expected, rel=1e-8, abs=1e-8)
    assert nll[1].item() == pytest.approx(-np.log(special.expit(-logit)), rel=1e-8)


@given(
    y=st.floats(0.01, 50), mean=st.floats(0.05, 20), logit=st.floats(-8, 8), a=st.floats(0.5, 50)
)
def test_the_gamma_likelihood_is_scipys(y, mean, logit, a):
    p = special.expit(logit)
    expected = -np.log(p) - stats.gamma.logpdf(y, a, scale=(mean + 1e-6) / p / a)
    parameters = (torch.tensor([v], dtype=torch.float64) for v in (mean, logit, a))
    found = GammaHurdle.of_mean(*parameters)
    y_ = torch.tensor([y], dtype=torch.float64)
    nll = make("gamma_hurdle").nll(found, y_, torch.tensor([True]))
    assert nll.item() == pytest.approx(expected, rel=1e-8, abs=1e-8)


@given(y=st.floats(0, 50), mean=st.floats(0.05, 20), power=st.floats(1.05, 1.95))
def test_the_deviance_is_zero_at_the_label_and_positive_elsewhere(y, mean, power):
    y_, mean_, power_ = (torch.tensor(v, dtype=torch.float64) for v in (y, mean, power))
    found = tweedie_deviance(mean_, y_, power=power_).item()
    # By its definition: twice the integral of (y - m) / m^r from the mean to the label.
    a, b = 1 - power, 2 - power
    to_label = y * mean**a / a - mean**b / b
    at_label = y**b / a - y**b / b if y else 0.0
    assert found == pytest.approx(2 * (at_label - to_label), rel=1e-7, abs=1e-7)
    assert found >= -1e-9
    if y:
        assert tweedie_deviance(y_, y_, power=power_).item() == pytest.approx(0, abs=1e-9)


def test_a_fixed_power_trains_the_mean_by_its_deviance_alone():
    likelihood = make("tweedie")
    mean, embedding = bags(1.0)
    y, present = mean * 1.7, torch.ones(6, 3, dtype=torch.bool)
    mean.requires_grad_()
    likelihood.nll(likelihood(mean, embedding), y, present).sum().backward()
    alone = mean.detach().clone().requires_grad_()
    tweedie_deviance(alone + 1e-6, y, power=torch.tensor(1.3)).sum().backward()
    assert torch.allclose(mean.grad, alone.grad)
    assert likelihood.dispersion.bias.grad.abs().min() > 0


def test_a_learnt_power_trains_all_by_the_series():
    likelihood = make("tweedie-learnt")
    mean, embedding = bags(1.0)
    found = likelihood(mean, embedding)
    nll = likelihood.nll(found, 1.7 * mean, torch.ones(6, 3, dtype=torch.bool))
    assert torch.equal(nll, -found.log_prob(1.7 * mean))
    nll.sum().backward()
    assert likelihood.raw_power.grad.shape == (3,)
    assert likelihood.raw_power.grad.abs().min() > 0


def test_a_fixed_power_is_no_parameter_and_a_learnt_one_is_kept():
    assert "raw_power" not in make("tweedie").state_dict()
    assert make("tweedie-learnt").state_dict()["raw_power"].shape == (3,)


@pytest.mark.parametrize("learnt", [False, True])
def test_dispersion_and_power_are_found_again(learnt):
    """Photos that are all alike: the maximum of the likelihood is where the draws came from."""
    chance = torch.Generator().manual_seed(0)
    y = Tweedie(torch.ones(1), torch.tensor(0.8), torch.tensor(1.3)).sample(4000, chance)
    likelihood = TweedieLikelihood(1, torch.tensor([0.5]), power=None if learnt else 1.3)
    optimizer = torch.optim.LBFGS(likelihood.parameters(), lr=0.5, max_iter=25)
    mean, embedding = torch.ones_like(y), torch.zeros(len(y), 1)

    def step():
        optimizer.zero_grad()
        loss = likelihood.nll(likelihood(mean, embedding), y, y > 0).mean()
        loss.backward()
        return loss

    optimizer.step(step)
    found = likelihood(mean[:1], embedding[:1])
    assert found.dispersion.item() == pytest.approx(0.8, abs=0.06)
    assert found.power.item() == pytest.approx(1.3, abs=0.04)
