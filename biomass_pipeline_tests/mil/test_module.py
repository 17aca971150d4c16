import numpy as np
import pytest
import torch

from biomass_pipeline.config import DataConfig
from biomass_pipeline.errors import TrainingDivergedError
from biomass_pipeline.mil.losses import Truth
from biomass_pipeline.mil.module import ShuffledBags, TrainingBatch, rate_factor
from biomass_pipeline.mil.network import outputs_of
from biomass_pipeline.mil.targets import TargetSpec
from biomass_pipeline_tests.mil.modules import bags_of, batch_of, module_of, seeded


@pytest.mark.parametrize(("n", "size"), [(10, 4), (3, 16), (8, 4), (1, 1)])
def test_an_epoch_visits_every_bag_once(n, size):
    loader = ShuffledBags(batch_of(n), batch_size=size, chance=seeded())
    seen = [batch.index for batch in loader]
    assert len(seen) == len(loader)
    assert max(len(part) for part in seen) <= size
    assert sorted(torch.cat(seen).tolist()) == list(range(n))


def test_every_epoch_has_its_own_order():
    loader = ShuffledBags(batch_of(50), batch_size=50, chance=seeded())
    first, second = (next(iter(loader)).index for _ in range(2))
    assert not torch.equal(first, second)


def test_the_rate_falls_along_a_cosine_to_a_tenth():
    rates = [rate_factor(epoch, epochs=40, warmup_epochs=0) for epoch in range(41)]
    assert rates[0] == 1
    assert rates[20] == pytest.approx(0.55)
    assert rates[40] == pytest.approx(0.1)
    assert rates == sorted(rates, reverse=True)


def test_the_rate_rises_from_a_tenth_before_that():
    rates = [rate_factor(epoch, epochs=40, warmup_epochs=4) for epoch in range(40)]
    assert rates[:5] == pytest.approx([0.1, 0.325, 0.55, 0.775, 1.0])
    assert rates[22] == pytest.approx(0.55)
    assert max(rates) == 1


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_warm_up_longer_than_the_training_is_no_error(epochs):
    rates = [rate_factor(epoch, epochs=epochs, warmup_epochs=9) for epoch in range(epochs)]
    assert all(0.1 <= rate < 1 for rate in rates)


def test_the_optimiser_follows_the_schedule(quick):
    training = quick.model_copy(update={"warmup_epochs": 2, "epochs": 6})
    found = module_of(training).configure_optimizers()
    optimizer, schedule = found["optimizer"], found["lr_scheduler"]["scheduler"]
    for epoch in range(6):
        wanted = training.learning_rate * rate_factor(epoch, epochs=6, warmup_epochs=2)
        assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([wanted] * 2)
        optimizer.step()
        schedule.step()


def test_biases_do_not_decay(quick):
    decayed, free = module_of(quick).configure_optimizers()["optimizer"].param_groups
    assert decayed["weight_decay"] == quick.weight_decay
    assert free["weight_decay"] == 0
    assert {p.ndim for p in free["params"]} == {1}


def test_an_independent_head_puts_out_every_target(quick):
    targets = TargetSpec.from_config(DataConfig())
    assert outputs_of(targets, quick) == targets
    alone = outputs_of(targets, quick.model_copy(update={"head": "independent"}))
    assert alone.components == targets.names
    module = module_of(quick.model_copy(update={"head": "independent"})).eval()
    assert module.network.outputs(batch_of(2).bags).shape == (2, 5)


def strange(quick, *, features=None, y=1.0):
    module = module_of(quick)
    module.where, module.image_ids = "fold_3, network 1", ("a", "b")
    batch = batch_of(2, y=y)
    if features is not None:
        batch = TrainingBatch(bags_of(features), batch.truth, batch.index)
    return module, batch


def test_labels_that_are_not_finite_are_named_with_photos_and_epoch(quick):
    module, batch = strange(quick, y=float("nan"))
    words = r"fold_3, network 1 .*epoch 0.*photos a, b.*labels of 2 photo\(s\).*a, b.*label file"
    with pytest.raises(TrainingDivergedError, match=words):
        module.training_step(batch, 0)


def test_features_that_are_not_finite_are_named(quick):
    features = torch.ones(2, 2, 3)
    features[1, 0, 2] = torch.inf
    features[1, 1, 2] = -torch.inf
    module, batch = strange(quick, features=features)
    module.network.scaler.fit(batch.bags, np.zeros((2, 1)))
    scaled = TrainingBatch(module.network.scaled(batch.bags), batch.truth, batch.index)
    module.whole = batch
    words = r"photos a, b\. The likely cause: features of 1 training photo\(s\).*finite: b\. Run"
    with pytest.raises(TrainingDivergedError, match=words):
        module.training_step(scaled, 0)


def test_else_the_learning_rate_is_named_with_its_value(quick):
    module, batch = strange(quick.model_copy(update={"learning_rate": 0.125}))
    with torch.no_grad():
        next(module.network.parameters()).fill_(torch.inf)
    words = r"Features and labels are finite.*learning_rate.*it was 0\.125.*gradient_clip"
    with pytest.raises(TrainingDivergedError, match=words):
        module.training_step(batch, 0)


def test_the_loss_of_an_epoch_is_kept_by_batch(quick):
    module = module_of(quick)
    module.training_step(batch_of(2, y=3.0), 0)
    module.training_step(batch_of(1, y=3.0), 1)
    assert [count for _, count in module.epoch_losses] == [2, 1]
    module.on_train_epoch_start()
    assert module.epoch_losses == []


def test_a_batch_selects_labels_with_bags():
    truth = Truth(torch.arange(15.0).reshape(3, 5), torch.ones(3, 3), torch.ones(3, 3) > 0)
    batch = TrainingBatch(batch_of(3).bags, truth, torch.arange(3))
    chosen = batch.select(torch.tensor([2, 0]))
    assert chosen.index.tolist() == [2, 0]
    assert chosen.truth.y[:, 0].tolist() == [10.0, 0.0]
