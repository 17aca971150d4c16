import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.errors import MissingCovariateError
from biomass_pipeline.mil.covariates import CovariateEncoder

HIDDEN = 6
NAMES = ("ndvi", "height")
NAN = math.nan
TRAINING = torch.tensor([[0.2, 10.0], [0.4, 20.0], [0.6, 30.0], [0.8, 40.0]])


def build(training=TRAINING, *, dropout=0.0, neutral=False):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = CovariateEncoder(2, HIDDEN, dropout).fit(training)
        if not neutral:
            torch.nn.init.normal_(encoder.last.weight)
            torch.nn.init.normal_(encoder.token)
    return encoder.eval()


def test_a_fresh_encoder_changes_nothing_and_can_learn():
    encoder = build(neutral=True).train()
    encoded = encoder(torch.tensor([[0.3, NAN], [NAN, NAN]]))
    assert torch.equal(encoded, torch.zeros(2, HIDDEN))
    encoded.sum().backward()
    assert torch.count_nonzero(encoder.last.weight.grad) > 0


@given(scale=st.floats(0.1, 100), shift=st.floats(-50, 50))
@torch.no_grad()
def test_the_unit_of_a_covariate_does_not_matter(scale, shift):
    photo = torch.tensor([[0.3, 35.0], [0.7, NAN]])
    other = build(TRAINING * scale + shift)(photo * scale + shift)
    assert torch.allclose(other, build()(photo), atol=1e-2)


def test_statistics_are_those_of_the_photos_that_have_the_value():
    encoder = build(torch.tensor([[1.0, NAN], [3.0, NAN], [NAN, 5.0]]))
    assert encoder.mean.tolist() == [2.0, 5.0]
    assert encoder.sd[0] == 1.0
    assert encoder.ever_missing.tolist() == [True, True]
    assert build().ever_missing.tolist() == [False, False]


@torch.no_grad()
def test_a_covariate_that_never_varied_tells_nothing():
    encoder = build(torch.tensor([[0.2, 7.0], [0.4, 7.0]]))
    assert torch.equal(encoder(torch.tensor([[0.3, 7.0]])), encoder(torch.tensor([[0.3, 900.0]])))
    never = build(torch.tensor([[0.2, NAN], [0.4, NAN]]))
    assert torch.isfinite(never(torch.tensor([[0.3, NAN], [0.3, 5.0]]))).all()


@torch.no_grad()
def test_a_value_far_outside_training_is_clipped():
    encoder = build()
    far, farther = encoder(torch.tensor([[0.5, 1e4], [0.5, 1e9]]))
    assert torch.allclose(far, farther)
    assert not torch.allclose(far, encoder(torch.tensor([[0.5, 30.0]])))


@torch.no_grad()
def test_missing_is_told_from_the_mean_and_by_each_covariates_own_token():
    encoder = build()
    mean, first, second, both = encoder(
        torch.tensor([[0.5, 25.0], [NAN, 25.0], [0.5, NAN], [NAN, NAN]])
    )
    kinds = (mean, first, second, both)
    for i, one in enumerate(kinds):
        for other in kinds[i + 1 :]:
            assert not torch.allclose(one, other)


def test_gradients_are_finite_where_values_are_missing():
    encoder = build().train()
    encoder(torch.tensor([[0.3, NAN], [NAN, NAN], [0.1, 12.0]])).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert torch.count_nonzero(parameter.grad) > 0, name


def test_dropout_hides_whole_values_at_its_rate_in_training_only():
    encoder, certain = build(dropout=0.25), build()
    photos = torch.tensor([[0.3, 35.0]]).expand(4000, 2)
    assert torch.equal(encoder(photos), certain(photos))
    patterns = torch.tensor([[0.3, 35.0], [NAN, 35.0], [0.3, NAN], [NAN, NAN]])
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        encoded = encoder.train()(photos)
    which = torch.cdist(encoded, certain(patterns)).argmin(dim=1)
    shares = torch.bincount(which, minlength=4) / len(photos)
    assert shares.tolist() == pytest.approx([0.5625, 0.1875, 0.1875, 0.0625], abs=0.03)
    assert torch.cdist(encoded, certain(patterns)).amin(dim=1).max() < 1e-3


def test_an_absent_covariate_is_refused_by_name():
    photos = torch.tensor([[0.3, NAN], [0.4, 20.0], [0.5, NAN]])
    with pytest.raises(MissingCovariateError, match=r"Of 3 photo.*height \(2\)") as refusal:
        build().refuse_absent(photos, NAMES)
    assert "ndvi" not in str(refusal.value)
    assert "covariate_dropout" in str(refusal.value)


def test_it_is_welcome_where_training_knew_its_absence():
    photos = torch.tensor([[0.3, NAN]])
    build(dropout=0.1).refuse_absent(photos, NAMES)
    build(torch.cat([TRAINING, torch.tensor([[0.5, NAN]])])).refuse_absent(photos, NAMES)
    with pytest.raises(MissingCovariateError, match="ndvi"):
        build(torch.cat([TRAINING, photos])).refuse_absent(torch.tensor([[NAN, 3.0]]), NAMES)
    build().refuse_absent(TRAINING, NAMES)


def test_the_statistics_travel_in_the_state():
    fresh = CovariateEncoder(2, HIDDEN, 0.0)
    fresh.load_state_dict(build().state_dict())
    photo = torch.tensor([[0.3, NAN]])
    assert torch.equal(fresh.eval()(photo), build()(photo))
    with pytest.raises(MissingCovariateError):
        fresh.refuse_absent(photo, NAMES)


def test_without_covariates_it_is_neutral():
    encoder = CovariateEncoder(0, HIDDEN, 0.5).fit(torch.empty(3, 0))
    assert torch.equal(encoder(torch.empty(3, 0)), torch.zeros(3, HIDDEN))
