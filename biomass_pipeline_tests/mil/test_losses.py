import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from biomass_pipeline.config import DataConfig, TrainingConfig
from biomass_pipeline.mil.aggregators import Pooled
from biomass_pipeline.mil.heads import MeanEstimate, ZilnEstimate, ZilnHead
from biomass_pipeline.mil.losses import OBJECTIVES, LabelScale, Truth, ziln_nll
from biomass_pipeline.mil.targets import TargetSpec

CSIRO = TargetSpec.from_config(DataConfig())


def labels(n=30, seed=0):
    chance = np.random.default_rng(seed)
    parts = chance.lognormal(1, 1, (n, 3)) * (chance.random((n, 3)) < 0.7)
    return CSIRO.sums(parts)


def fitted(y):
    scale = LabelScale(CSIRO)
    scale.fit(y)
    return scale.double()


@given(
    y=st.floats(0.01, 50), mean=st.floats(0.05, 20), logit=st.floats(-8, 8), s=st.floats(0.15, 1)
)
def test_the_likelihood_is_scipys(y, mean, logit, s):
    p = special.expit(logit)
    mu = np.log(mean + 1e-6) - np.log(p) - s**2 / 2
    present = -np.log(p) - stats.lognorm.logpdf(y, s=s, scale=np.exp(mu))
    estimate = ZilnEstimate(
        *(torch.tensor([[v, v]], dtype=torch.float64) for v in (mean, logit, s))
    )
    truth = Truth(
        y=torch.zeros(1, 2),
        scaled=torch.tensor([[y, 0.0]], dtype=torch.float64),
        present=torch.tensor([[True, False]]),
    )
    nll = ziln_nll(estimate, truth)[0]
    assert nll[0].item() == pytest.approx(present, rel=1e-8, abs=1e-8)
    assert nll[1].item() == pytest.approx(-np.log(special.expit(-logit)), rel=1e-8)


@pytest.mark.parametrize("y", [0.0, 1e-30, 1e-3, 1.0, 1e30])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e4])
def test_gradients_are_finite_at_the_extremes(y, size):
    embedding = (size * torch.ones(2, 4)).requires_grad_()
    raw = torch.tensor([[-200.0] * 3, [200.0] * 3], requires_grad=True)
    head = ZilnHead(4, torch.tensor([0.0, 0.5, 1.0]))
    pooled = Pooled(torch.nn.functional.softplus(raw), embedding, torch.zeros(2, 1, 3))
    scale = LabelScale(CSIRO)
    truth = Truth(
        y=torch.full((2, 5), min(y, 1e15)),
        scaled=torch.full((2, 3), y),
        present=torch.full((2, 3), y > 0),
    )
    loss = OBJECTIVES["ziln"].loss(TrainingConfig())(head(pooled), truth, scale)
    loss.backward()
    assert torch.isfinite(loss)
    for tensor in (embedding, raw, *head.parameters()):
        assert torch.isfinite(tensor.grad).all()


def test_the_likelihood_is_averaged_over_all_rows():
    y = np.zeros((4, 5))
    y[0] = CSIRO.sums(np.array([[1.0, 1.0, 1.0]]))
    scale = LabelScale(CSIRO)
    truth = scale.truth(y)
    estimate = ZilnEstimate(torch.ones(4, 3), torch.zeros(4, 3), torch.full((4, 3), 0.5))
    loss = OBJECTIVES["ziln"].loss(TrainingConfig(mean_weight=0.0))(estimate, truth, scale)
    assert loss.item() == pytest.approx(ziln_nll(estimate, truth).sum().item() / 12, rel=1e-6)


@given(seed=st.integers(0, 30), delta=st.sampled_from([0.5, 1.0, 3.0]))
def test_the_huber_part_weighs_every_target_by_name_in_grams(seed, delta):
    y = labels(seed=seed)
    guess = np.random.default_rng(seed + 1).random((30, 3)) * 3
    scale = fitted(y)
    loss = OBJECTIVES["huber"].loss(TrainingConfig(huber_delta=delta))
    found = loss(MeanEstimate(torch.from_numpy(guess)), scale.truth(y), scale).item()
    predicted = CSIRO.sums(guess * y[:, list(CSIRO.component_columns)].mean(axis=0))
    weight = DataConfig().target_weights
    expected = 0.0
    for column, name in enumerate(CSIRO.names):
        sd = y[:, column].std()
        error = predicted[:, column] - y[:, column]
        # Huber in grams with its knee at delta sd, over the variance.
        expected += weight[name] * special.huber(delta * sd, np.abs(error)).mean() / sd**2
    assert found == pytest.approx(expected, rel=1e-4)


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


def test_a_component_that_is_never_found_has_a_usable_scale():
    y = labels()
    dead = CSIRO.names.index("Dry_Dead_g")
    y[:, dead] = 0.0
    scale = fitted(y)
    assert scale.component_mean[CSIRO.components.index("Dry_Dead_g")] == 1
    assert scale.target_sd[dead] > 0
    assert torch.isfinite(scale.truth(y).scaled).all()
