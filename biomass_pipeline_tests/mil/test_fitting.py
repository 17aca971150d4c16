from dataclasses import replace

import numpy as np
import pytest
import torch

from biomass_pipeline.config import AugmentationConfig, DataConfig
from biomass_pipeline.errors import TrainingDivergedError
from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.fitting import Parts
from biomass_pipeline.mil.module import TrainingBatch
from biomass_pipeline.mil.stopping import inner_error
from biomass_pipeline.mil.targets import align_labels
from biomass_pipeline_tests.mil.fits import fit, same

TARGETS = list(DataConfig().target_names)


def labelled_of(field):
    return align_labels(field.labels, field.features.image_ids, names=TARGETS)


def changed_inner(field, training, *, number=0):
    """The same field, other labels and features for the photos that a network sets aside."""
    labelled = labelled_of(field)
    inner = Parts.of_seed(labelled, training, number=number).inner
    labels, features = field.labels.copy(), field.features.features.copy()
    labels.loc[inner, TARGETS] = labels.loc[inner, TARGETS].to_numpy() * 7
    chosen = np.isin(np.arange(len(labels)), inner)
    features[np.repeat(chosen, np.diff(field.features.offsets))] += 5
    return replace(field, labels=labels, features=replace(field.features, features=features))


def test_parts_share_no_group_and_leave_nobody_out(five_field, quick):
    labelled = labelled_of(five_field)
    for number in range(5):
        parts = Parts.of_seed(labelled, quick, number=number)
        assert sorted([*parts.learn, *parts.inner]) == list(range(40))
        assert not set(labelled.groups[parts.learn]) & set(labelled.groups[parts.inner])


def test_a_network_says_what_it_made_of_the_photos_it_left_out(five_field, quick):
    fitted = fit(five_field, quick)
    labelled = labelled_of(five_field)
    inner = Parts.of_seed(labelled, quick, number=0).inner
    assert fitted.inner.image_ids.tolist() == [labelled.image_ids[i] for i in inner]
    assert fitted.inner.groups.tolist() == labelled.groups[inner].tolist()
    assert np.array_equal(fitted.inner.y, labelled.y[inner])
    bags = BagBatch.from_feature_set(five_field.features).select(torch.from_numpy(inner))
    again = fitted.network.outputs(fitted.network.scaled(bags)).numpy()
    assert fitted.inner.outputs == pytest.approx(again, rel=1e-5)
    assert fitted.inner.ranks is None
    weights = fitted.network.labels.weights.numpy()
    sums = fitted.inner.outputs @ fitted.network.labels.matrix.numpy().T
    error = ((sums - fitted.inner.y) ** 2).mean(axis=0) @ weights
    assert fitted.best_error == pytest.approx(error, rel=1e-4)


def test_ranks_are_those_of_the_networks_distributions(five_field, quick):
    labels = five_field.labels.copy()
    labels.loc[::3, "Dry_Clover_g"] = 0.0
    training = quick.model_copy(update={"loss": {"ziln": 1.0, "huber": 5.0}})
    field = replace(five_field, labels=labels)
    inner = fit(field, training).inner
    assert inner.ranks.shape == inner.outputs.shape
    assert ((inner.ranks > 0) & (inner.ranks < 1)).all()
    again = fit(field, training).inner
    assert np.array_equal(inner.ranks, again.ranks)
    other = fit(field, training, number=1).inner
    assert len(np.unique(np.concatenate([inner.ranks, other.ranks]))) > 10


def test_best_error_is_the_least_that_was_told(five_field, quick):
    told = {}
    fitted = fit(five_field, quick, on_epoch=told.__setitem__)
    assert fitted.best_error == min(told.values()) == told[fitted.best_epoch]


@pytest.mark.parametrize(
    "update",
    [
        {"averaging": "ema", "ema_decay": 0.9},
        {"averaging": "swa"},
        {"mixup": 0.3},
        {"augmentation": (AugmentationConfig(), AugmentationConfig(operation="scale"))},
        {"head": "independent"},
        {"head": "total_share"},
        {"feature_scaling": "robust"},
        {"warmup_epochs": 5},
        {"deterministic": True},
        {"covariates": ("height",), "covariate_dropout": 0.2},
    ],
    ids=lambda update: next(iter(update)) + str(next(iter(update.values())))[:4],
)
def test_every_setting_learns(five_field, quick, update):
    field = replace(five_field, labels=five_field.labels.assign(height=range(40)))
    told = {}
    training = quick.model_copy(update={"epochs": 25} | update)
    fitted = fit(field, training, on_epoch=told.__setitem__)
    assert fitted.best_error < 0.5 * told[0]


def test_what_a_network_is_averaged_to_is_what_it_is_judged_and_kept_by(five_field, quick):
    training = quick.model_copy(update={"averaging": "ema", "ema_decay": 0.9})
    averaged, plain = fit(five_field, training), fit(five_field, quick)
    assert not same(averaged, plain)
    labelled = labelled_of(five_field)
    inner = Parts.of_seed(labelled, training, number=0).inner
    network = averaged.network
    bags = BagBatch.from_feature_set(five_field.features).select(torch.from_numpy(inner))
    batch = _batch(network, bags, labelled.y[inner], inner)
    assert inner_error(network, batch) == pytest.approx(averaged.best_error, rel=1e-5)


def _batch(network, bags, y, rows):
    return TrainingBatch(network.scaled(bags), network.labels.truth(y), torch.from_numpy(rows))


def test_an_augmentation_too_small_to_see_changes_nothing_to_speak_of(five_field, quick):
    """Bags scaled anew in every step are those that are scaled once, in the same order."""
    tiny = AugmentationConfig(magnitude=1e-9, variant="frofa")
    augmented = fit(five_field, quick.model_copy(update={"augmentation": (tiny,)}))
    plain = fit(five_field, quick)
    assert augmented.inner.outputs == pytest.approx(plain.inner.outputs, rel=1e-3)


def test_a_fixed_number_of_epochs_hears_nothing_of_the_inner_photos(five_field, quick):
    training = quick.model_copy(update={"stopping": "fixed", "epochs": 6, "patience": 1})
    before = fit(five_field, training)
    after = fit(changed_inner(five_field, training), training)
    ours, theirs = before.network.state_dict(), after.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert before.best_epoch == after.best_epoch == 5
    assert before.best_error != after.best_error


def test_determinism_holds_while_training_and_no_longer(five_field, quick):
    asked = []
    training = quick.model_copy(update={"deterministic": True, "epochs": 2})
    fit(
        five_field,
        training,
        on_epoch=lambda *_: asked.append(torch.are_deterministic_algorithms_enabled()),
    )
    assert asked == [True, True]
    assert not torch.are_deterministic_algorithms_enabled()


def test_whoever_listens_may_end_a_training_and_nothing_stays_changed(five_field, quick):
    def listen(epoch, error):
        if epoch == 1:
            raise ArithmeticError

    chance = torch.get_rng_state()
    training = quick.model_copy(update={"deterministic": True})
    with pytest.raises(ArithmeticError):
        fit(five_field, training, on_epoch=listen)
    assert torch.equal(torch.get_rng_state(), chance)
    assert not torch.are_deterministic_algorithms_enabled()


def test_features_that_are_not_finite_are_found_among_all_photos(five_field, quick):
    features = five_field.features.features.astype(np.float32)
    features[five_field.features.offsets[7]] = np.inf
    field = replace(five_field, features=replace(five_field.features, features=features))
    words = r"fold_3, network 0 .*features of 1 training photo\(s\) are not finite: photo007\."
    with pytest.raises(TrainingDivergedError, match=words):
        fit(field, quick, where="fold_3, network 0")


def test_labels_that_explode_are_found_among_all_photos(five_field, quick):
    labels = five_field.labels.copy()
    labels.loc[5, TARGETS] = 1e100
    with pytest.raises(TrainingDivergedError, match=r"labels of 1 photo\(s\).*photo005"):
        fit(replace(five_field, labels=labels), quick)


def test_a_rate_that_is_too_large_is_named(five_field, quick):
    training = quick.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(TrainingDivergedError, match=r"it was 1e\+30.*gradient_clip"):
        fit(five_field, training)
