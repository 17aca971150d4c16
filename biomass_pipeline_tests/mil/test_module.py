import pytest
import torch

from biomass_pipeline.config import DataConfig
from biomass_pipeline.errors import TrainingDivergedError
from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.losses import Truth
from biomass_pipeline.mil.module import BagModule, InnerStop, ShuffledBags, TrainingBatch
from biomass_pipeline.mil.targets import TargetSpec


def batch_of(n, *, y=1.0):
    bags = BagBatch(
        torch.ones(n, 2, 3), torch.ones(n, 2, dtype=torch.bool), torch.full((n, 2), 0.5)
    )
    truth = Truth(torch.full((n, 5), y), torch.full((n, 3), y), torch.ones(n, 3, dtype=torch.bool))
    return TrainingBatch(bags, truth, torch.arange(n))


def module_of(training):
    targets = TargetSpec.from_config(DataConfig()).to_plain()
    # Weights of their own chance, whatever ran before.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return BagModule(feature_dim=3, targets=targets, training=training.model_dump(mode="json"))


@pytest.mark.parametrize(("n", "size"), [(10, 4), (3, 16), (8, 4), (1, 1)])
def test_an_epoch_visits_every_bag_once(n, size):
    loader = ShuffledBags(batch_of(n), batch_size=size, chance=torch.Generator().manual_seed(0))
    seen = [batch.index for batch in loader]
    assert len(seen) == len(loader)
    assert max(len(part) for part in seen) <= size
    assert sorted(torch.cat(seen).tolist()) == list(range(n))


def test_every_epoch_has_its_own_order():
    loader = ShuffledBags(batch_of(50), batch_size=50, chance=torch.Generator().manual_seed(0))
    first, second = (next(iter(loader)).index for _ in range(2))
    assert not torch.equal(first, second)


def test_a_loss_that_is_not_finite_names_photos_and_epoch(quick):
    module = module_of(quick)
    module.where, module.image_ids = "fold_3, network 1", ("a", "b")
    with pytest.raises(
        TrainingDivergedError, match=r"fold_3, network 1 .*epoch 0.*a, b.*learning_rate"
    ):
        module.training_step(batch_of(2, y=float("nan")), 0)


def test_biases_do_not_decay(quick):
    decayed, free = module_of(quick).configure_optimizers()["optimizer"].param_groups
    assert decayed["weight_decay"] == quick.weight_decay
    assert free["weight_decay"] == 0
    assert {p.ndim for p in free["params"]} == {1}


class Clock:
    """Stands in for the trainer: an epoch count and a flag."""

    def __init__(self):
        self.current_epoch, self.should_stop = 0, False


def test_the_best_epochs_weights_come_back_after_patience_runs_out(quick):
    module, clock = module_of(quick), Clock()
    stop = InnerStop(batch_of(2, y=3.0), patience=2)
    bias = module.network.aggregator.density.bias
    for epoch, value in enumerate([0.0, 1.0, 9.0, 8.0]):
        assert not clock.should_stop
        clock.current_epoch = epoch
        with torch.no_grad():
            bias.fill_(value)
        stop.on_train_epoch_end(clock, module)
    assert clock.should_stop
    assert stop.best_epoch == 1
    stop.on_train_end(clock, module)
    assert module.network.aggregator.density.bias.tolist() == [1.0] * 3


def test_judging_an_epoch_leaves_dropout_on(quick):
    module = module_of(quick).train()
    InnerStop(batch_of(2), patience=1).on_train_epoch_end(Clock(), module)
    assert module.network.training


def test_inner_photos_without_a_finite_error_are_named(quick):
    module = module_of(quick)
    module.where, module.image_ids = "fold_3, network 1", ("a", "b")
    stop = InnerStop(batch_of(2, y=float("nan")), patience=1)
    with pytest.raises(TrainingDivergedError, match=r"fold_3, network 1 .*epoch 0.*a, b"):
        stop.on_train_epoch_end(Clock(), module)
