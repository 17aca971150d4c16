import pytest
import torch

from biomass_pipeline.mil.averaging import WeightAverage
from biomass_pipeline_tests.mil.modules import module_of


def bias_of(network):
    return next(p for name, p in network.named_parameters() if name.endswith("bias"))


@pytest.fixture
def begin(quick):
    def make(**settings):
        network = module_of(quick).network
        return network, WeightAverage(network, quick.model_copy(update=settings))

    return make


def fill(network, value):
    with torch.no_grad():
        bias_of(network).fill_(value)


def test_without_averaging_the_network_itself_counts(begin):
    network, average = begin(averaging="none")
    average.after_step()
    average.after_epoch(0)
    assert average.has_begun
    assert average.network is network
    assert average.state_dict() == {}


def test_ema_remembers_steps_by_its_formula(begin):
    network, average = begin(averaging="ema", ema_decay=0.9)
    wanted = None
    for value in (1.0, 2.0, 4.0):
        fill(network, value)
        average.after_step()
        wanted = value if wanted is None else 0.9 * wanted + 0.1 * value
    average.after_epoch(0)
    assert bias_of(average.network)[0].item() == pytest.approx(wanted)
    assert bias_of(network)[0].item() == 4.0


def test_swa_is_the_mean_over_epochs_of_the_last_quarter(begin):
    network, average = begin(averaging="swa", epochs=8)
    for epoch in range(8):
        fill(network, float(epoch))
        average.after_step()
        average.after_epoch(epoch)
        assert average.has_begun == (epoch >= 6)
        if epoch < 6:
            assert average.network is network
    assert bias_of(average.network)[0].item() == pytest.approx(6.5)


def test_swa_of_a_single_epoch_still_averages(begin):
    _, average = begin(averaging="swa", epochs=1)
    average.after_epoch(0)
    assert average.has_begun


@pytest.mark.parametrize("averaging", ["ema", "swa"])
def test_fitted_statistics_are_the_networks(begin, averaging):
    network, average = begin(averaging=averaging, epochs=1)
    network.scaler.centre.fill_(7.0)
    average.after_step()
    average.after_epoch(0)
    assert average.network.scaler.centre.tolist() == [7.0] * 3


@pytest.mark.parametrize("averaging", ["none", "ema", "swa"])
def test_an_average_goes_on_where_another_stood(begin, averaging):
    def walk(network, average, values):
        for epoch, value in values:
            fill(network, value)
            average.after_step()
            average.after_epoch(epoch)

    network, average = begin(averaging=averaging, epochs=2)
    walk(network, average, [(0, 1.0), (1, 3.0)])
    walked = average.state_dict()
    other_network, other = begin(averaging=averaging, epochs=2)
    other.load_state_dict(walked)
    for one in ((network, average), (other_network, other)):
        walk(*one, [(2, 9.0)])
    assert torch.equal(bias_of(other.network), bias_of(average.network))
