"""A fold's models come back from arrays and facts bit by bit, whatever they are made of."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from biomass_pipeline.config import AGGREGATORS, LOSSES, DataConfig
from biomass_pipeline.inference.bundle_files import packed, unpacked
from biomass_pipeline.inference.bundle_record import FoldRecord
from biomass_pipeline.inference.fold_arrays import Lists, arrays_of, models_of, record_of
from biomass_pipeline.mil.aggregators import AGGREGATORS as AGGREGATOR_REGISTRY
from biomass_pipeline.mil.aggregators.torchmil_models import TORCHMIL_MODELS
from biomass_pipeline.mil.heads import HEADS
from biomass_pipeline.mil.likelihoods import LIKELIHOODS
from biomass_pipeline.mil.losses import POINT_LOSSES
from biomass_pipeline.mil.predictive import PredictionSpec
from biomass_pipeline.mil.ridge.families import FAMILIES
from biomass_pipeline.mil.ridge.labels import TRANSFORMS
from biomass_pipeline.mil.ridge.pooling import POOLINGS
from biomass_pipeline_tests.inference.models import SMALL, photos_like, same, untrained_fold

SPEC = PredictionSpec(levels=(0.5, 0.8), headline=0.8, conformal="pooled", n_draws=20, seed=0)


def carried(models, path="fold_0.safetensors"):
    """The models after a journey through bytes and JSON."""
    lists = Lists.of([models])
    data = packed(arrays_of(models, lists))
    record = FoldRecord.model_validate_json(
        record_of(models, sha256="0" * 64, n_bytes=len(data)).model_dump_json()
    )
    return models_of(record, unpacked(data, path), targets=models.network.targets, lists=lists)


def predicted(models, features):
    return models.predict(features, spec=SPEC)


def assert_carried(models, field):
    before, after = (predicted(each, photos_like(field)) for each in (models, carried(models)))
    assert all(same(before[name], after[name]) for name in ("mil", "ridge", "stack", "auto"))
    assert models.novelty(photos_like(field)) == carried(models).novelty(photos_like(field))


def test_the_registries_are_those_that_are_tried():
    assert set(AGGREGATORS) == set(AGGREGATOR_REGISTRY)
    assert set(LOSSES) == {*POINT_LOSSES, *LIKELIHOODS}


@pytest.mark.parametrize("aggregator", [*AGGREGATORS, *(f"torchmil:{n}" for n in TORCHMIL_MODELS)])
def test_every_aggregator_predicts_the_same(field, fold, aggregator):
    if aggregator.startswith("torchmil"):
        pytest.importorskip("torchmil.models", reason="the extra `torchmil` is not installed")
    training = SMALL.model_copy(update={"aggregator": aggregator})
    networks = untrained_fold(field, training, n_networks=1).network
    assert_carried(replace(fold, network=networks), field)


@pytest.mark.parametrize("loss", [{name: 1.0} for name in LOSSES] + [{"ziln": 1.0, "huber": 5.0}])
def test_every_loss_predicts_the_same(field, fold, loss):
    training = SMALL.model_copy(update={"loss": loss})
    networks = untrained_fold(field, training, n_networks=2).network
    assert (networks.inner.ranks is not None) == bool(set(loss) & set(LIKELIHOODS))
    assert_carried(replace(fold, network=networks), field)


@pytest.mark.parametrize("head", [*HEADS])
@pytest.mark.parametrize("reconciliation", ["metric", "mint"])
def test_every_head_predicts_the_same(field, fold, head, reconciliation):
    training = SMALL.model_copy(update={"head": head, "reconciliation": reconciliation})
    networks = untrained_fold(field, training, n_networks=2).network
    assert_carried(replace(fold, network=networks), field)


def test_a_learnt_tweedie_power_travels(field, fold):
    training = SMALL.model_copy(update={"loss": {"tweedie": 1.0}, "tweedie_power": "learnt"})
    assert_carried(replace(fold, network=untrained_fold(field, training).network), field)


@pytest.mark.parametrize("kernel", [*FAMILIES])
@pytest.mark.parametrize("transform", [*TRANSFORMS])
def test_every_ridge_predicts_the_same(field, fold, kernel, transform):
    ridge = SMALL.ridge.model_copy(
        update={"kernel": kernel, "transforms": (transform,), "poolings": tuple(POOLINGS)}
    )
    training = SMALL.model_copy(update={"ridge": ridge, "aggregator": "mean"})
    assert_carried(replace(fold, ridge=untrained_fold(field, training).ridge), field)


def test_covariates_and_their_missing_tokens_travel(field):
    labels = field.labels.assign(height=np.linspace(1.0, 2.0, len(field.labels)))
    training = SMALL.model_copy(update={"covariates": ("height",), "covariate_dropout": 0.3})
    models = untrained_fold(replace(field, labels=labels), training)
    assert carried(models).network.covariates == ("height",)
    assert_carried(models, field)


def test_arrays_that_lie_by_column_still_do(field, fold):
    """Matrix products round by how an array lies: a transposed copy would differ in a last bit."""
    member = fold.ridge.members[0]
    turned = np.asfortranarray(member.machine.weights)
    machine = replace(member.machine, weights=turned)
    ridge = replace(fold.ridge, members=(replace(member, machine=machine),))
    back = carried(replace(fold, ridge=ridge)).ridge.members[0].machine.weights
    assert back.flags.f_contiguous
    assert not back.flags.c_contiguous
    assert (back == turned).all()


def test_what_is_no_array_travels_too(fold):
    back = carried(fold)
    for ours, theirs in zip(fold.network.members, back.network.members, strict=True):
        assert (ours.best_epoch, ours.best_error) == (theirs.best_epoch, theirs.best_error)
        assert ours.inner.image_ids.tolist() == theirs.inner.image_ids.tolist()
        assert ours.inner.groups.tolist() == theirs.inner.groups.tolist()
    assert back.network.fingerprint == fold.network.fingerprint
    assert back.ridge.fingerprint == fold.ridge.fingerprint
    assert [m.alpha for m in back.ridge.members] == [m.alpha for m in fold.ridge.members]
    assert back.choice().scores == fold.choice().scores


def test_reading_leaves_the_callers_chance_alone(fold):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    carried(fold)
    assert torch.rand(1) == expected


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda a: a.pop("ridge/inner/y"), r"1 arrays are missing, such as ridge/inner/y"),
        (lambda a: a.update(extra=np.zeros(1)), r"1 arrays are unknown, such as extra"),
        (
            lambda a: a.update({"ridge_0/clip": np.zeros(2)}),
            r"ridge_0/clip is float64 of shape \(2,\) instead of float64 of \(\)",
        ),
        (
            lambda a: a.update({"ridge/inner/y": a["ridge/inner/y"][:3]}),
            r"ridge/inner/y is float64 of shape \(3, 5\) instead of float64 of \(24, 5\)",
        ),
        (
            lambda a: a.update({"ridge/inner/y": a["ridge/inner/y"].astype(np.float32)}),
            r"ridge/inner/y is float32 of shape \(24, 5\) instead of float64",
        ),
        (
            lambda a: a.update({"ridge/inner/photo": a["ridge/inner/photo"] + 900}),
            r"names a photo or group that is not listed",
        ),
        (
            lambda a: a.update({"ridge/inner/group": a["ridge/inner/group"] - 1}),
            r"names a photo or group that is not listed",
        ),
    ],
    ids=["lacks one", "one too many", "shape", "rows", "type", "no such photo", "no such group"],
)
def test_what_does_not_fit_is_refused_by_name(fold, spoil, words):
    lists = Lists.of([fold])
    arrays = arrays_of(fold, lists)
    spoil(arrays)
    record = record_of(fold, sha256="0" * 64, n_bytes=1)
    with pytest.raises(ValueError, match=words):
        models_of(record, arrays, targets=fold.network.targets, lists=lists)


def test_a_huge_network_is_refused_before_it_is_given_memory(fold):
    lists = Lists.of([fold])
    record = record_of(fold, sha256="0" * 64, n_bytes=1)
    huge = record.model_copy(
        update={"training": record.training.model_copy(update={"hidden_dim": 10**12})}
    )
    with pytest.raises(ValueError, match=r"instead of float32 of \(1000000000000, 8\)"):
        models_of(huge, arrays_of(fold, lists), targets=fold.network.targets, lists=lists)
    wide = record.training.model_copy(update={"hidden_dim": 10**12, "aggregator": "transmil"})
    with pytest.raises(ValueError, match="no network can be of these settings"):
        models_of(
            record.model_copy(update={"training": wide}),
            arrays_of(fold, lists),
            targets=fold.network.targets,
            lists=lists,
        )
    deep = record.training.model_copy(update={"n_layers": 10**9, "aggregator": "transmil"})
    with pytest.raises(ValueError, match=r"cannot be 1000000000 layers"):
        models_of(
            record.model_copy(update={"training": deep}),
            arrays_of(fold, lists),
            targets=fold.network.targets,
            lists=lists,
        )


def test_names_of_nothing_are_refused(fold):
    lists = Lists.of([fold])
    record = record_of(fold, sha256="0" * 64, n_bytes=1)
    strange = record.model_copy(update={"poolings": ("median",)})
    with pytest.raises(ValueError, match="nothing here is called median"):
        models_of(strange, arrays_of(fold, lists), targets=fold.network.targets, lists=lists)


def test_equal_models_give_equal_bytes(fold):
    lists = Lists.of([fold])
    assert packed(arrays_of(fold, lists)) == packed(arrays_of(carried(fold), lists))
    assert DataConfig().target_names == fold.network.targets.names
