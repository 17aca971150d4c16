from dataclasses import replace

import pytest
import torch

from biomass_pipeline.config import DataConfig
from biomass_pipeline.errors import TrainingDivergedError
from biomass_pipeline.mil.averaging import WeightAverage
from biomass_pipeline.mil.losses import Truth
from biomass_pipeline.mil.stopping import InnerStop, inner_error, weighted_variance
from biomass_pipeline.scoring import weighted_r2
from biomass_pipeline_tests.mil.modules import batch_of, module_of, normal


class Clock:
    """Stands in for the trainer: an epoch count, a flag, and an optimiser whose rate halves."""

    def __init__(self, *parameters):
        self.current_epoch, self.should_stop = 0, False
        self.optimizers = [torch.optim.SGD(parameters, lr=0.5)] if parameters else []


def bias(module):
    return module.network.aggregator.head.outputs.bias


def judge(quick, values, *, y=3.0, on_epoch=None, **settings):
    """Let the network stand at these biases, one an epoch, and see what the stop makes of it."""
    known = {"epochs": len(values), "averaging": "none"}
    module = module_of(quick.model_copy(update=known | settings))
    average = WeightAverage(module.network, module.training_config)
    stop = InnerStop(batch_of(2, y=y), average=average, on_epoch=on_epoch)
    clock = Clock(bias(module))
    for epoch, value in enumerate(values):
        if clock.should_stop:
            break
        clock.current_epoch = epoch
        stop.on_train_epoch_start(clock, module)
        clock.optimizers[0].param_groups[0]["lr"] /= 2
        with torch.no_grad():
            bias(module).fill_(value)
        module.epoch_losses = [(1.0, 3), (2.0, 1)]
        stop.on_train_batch_end(clock, module)
        stop.on_train_epoch_end(clock, module)
    stop.on_train_end(clock, module)
    return module, stop, clock


def test_the_best_epochs_weights_come_back_after_patience_runs_out(quick):
    module, stop, clock = judge(quick, [0.0, 1.0, 9.0, 8.0, 1.0], patience=2)
    assert clock.should_stop
    assert stop.best_epoch == 1
    assert len(stop.history) == 4
    assert bias(module).tolist() == [1.0] * 3


def test_a_fixed_number_of_epochs_ends_with_the_last_weights(quick):
    module, stop, clock = judge(quick, [1.0, 9.0, 9.0, 9.0], patience=1, stopping="fixed")
    assert not clock.should_stop
    assert stop.best_epoch == 3
    assert stop.best_error == stop.history[-1]["inner_error"]
    assert bias(module).tolist() == [9.0] * 3


def test_the_average_is_what_is_judged_and_kept(quick):
    """Steps from 0 to 2 are 1 on average, which is the best there is."""
    values = [0.0, 2.0]
    module, stop, _ = judge(quick, values, averaging="ema", ema_decay=0.5, patience=9)
    assert bias(module).tolist() == pytest.approx([1.0] * 3)
    alone = judge(quick, [1.0], patience=9)[1]
    assert stop.best_error == pytest.approx(alone.best_error)


def test_under_swa_nothing_before_the_average_is_kept_or_stops(quick):
    values = [1.0, 9.0, 9.0, 9.0, 9.0, 9.0, 4.0, 4.0]
    module, stop, _ = judge(quick, values, averaging="swa", patience=1)
    assert stop.best_epoch == 6
    assert bias(module).tolist() == [4.0] * 3
    assert len(stop.history) == 8


def test_every_epoch_leaves_a_row(quick):
    _, stop, _ = judge(quick, [0.0, 1.0])
    assert [row["epoch"] for row in stop.history] == [0, 1]
    row = stop.history[0]
    assert list(row) == ["epoch", "train_loss", "inner_error", "inner_r2", "learning_rate"]
    assert row["train_loss"] == 1.25
    assert [row["learning_rate"] for row in stop.history] == [0.5, 0.25]


def test_the_logged_r2_is_the_score_that_is_reported(quick):
    y = normal(6, 5).abs() * torch.tensor([1.0, 5.0, 2.0, 9.0, 4.0])
    inner = replace(batch_of(6), truth=Truth(y, y[:, :3], y[:, :3] > 0))
    module = module_of(quick).eval()
    network = module.network
    error = inner_error(network, inner)
    network.eval()
    predicted = network.outputs(inner.bags) @ network.labels.matrix.T
    names = DataConfig().target_names
    weights = dict(zip(names, network.labels.weights.tolist(), strict=True))
    wanted = weighted_r2(y.numpy(), predicted.numpy(), targets=names, weights=weights)
    found = 1 - error / weighted_variance(y, network.labels.weights)
    assert found == pytest.approx(wanted, rel=1e-4)


def test_labels_that_are_all_one_have_no_r2(quick):
    _, stop, _ = judge(quick, [0.0])
    assert stop.history[0]["inner_r2"] != stop.history[0]["inner_r2"]


def test_whoever_asked_hears_of_every_epoch_and_may_end_it(quick):
    told = []

    def listen(epoch, error):
        told.append((epoch, error))
        if epoch == 1:
            raise StopIteration

    with pytest.raises(StopIteration):
        judge(quick, [0.0, 1.0, 2.0], on_epoch=listen)
    assert [epoch for epoch, _ in told] == [0, 1]
    assert told[1][1] < told[0][1]


def test_judging_an_epoch_leaves_dropout_on(quick):
    module, _, _ = judge(quick, [1.0])
    assert module.network.training


def test_inner_photos_without_a_finite_error_are_named(quick):
    module = module_of(quick)
    module.where, module.image_ids = "fold_3, network 1", ("a", "b")
    average = WeightAverage(module.network, quick)
    stop = InnerStop(batch_of(2, y=float("nan")), average=average)
    with pytest.raises(TrainingDivergedError, match=r"fold_3, network 1 .*epoch 0.*a, b"):
        stop.on_train_epoch_end(Clock(), module)
