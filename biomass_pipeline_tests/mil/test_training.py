import logging
import os
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from biomass_pipeline.config import DataConfig
from biomass_pipeline.errors import TooFewGroupsError, TrainingDivergedError, UnlabelledBagError
from biomass_pipeline.mil import training as training_module
from biomass_pipeline.mil.prediction import predict
from biomass_pipeline.mil.predictive import PredictionSpec
from biomass_pipeline.mil.targets import Recipe
from biomass_pipeline.mil.training import TrainingRecords, train_fold
from biomass_pipeline.store import holder_of

SPEC = PredictionSpec(levels=(0.9,), headline=0.9, conformal="pooled", n_draws=20, seed=0)


def next_of(mixture):
    return next(iter(mixture))


def frame_of(trained, features, **options):
    return predict(trained, features, spec=SPEC, **options).frame()


def r2(frame, field, target):
    rows = frame[frame["target"] == target].set_index("image_id")
    y = field.labels.set_index("image_id")[target]
    error = y - rows["y_pred"].reindex(y.index)
    return 1 - (error**2).sum() / ((y - y.mean()) ** 2).sum()


def state_of(trained):
    return [member.network.state_dict() for member in trained.members]


def same(one, other):
    return all(torch.equal(a[key], b[key]) for a, b in zip(one, other, strict=True) for key in a)


@pytest.fixture
def train(five_field, five_recipe, tmp_path):
    def run(*, name="fold_0", field=five_field, recipe=five_recipe, **options):
        return train_fold(
            field.features,
            field.labels,
            recipe=recipe,
            checkpoint_folder=tmp_path / name,
            **options,
        )

    return run


@pytest.mark.parametrize("aggregator", ["additive_density", "gated_attention"])
@pytest.mark.parametrize("loss", [{"huber": 1.0}, {"ziln": 1.0, "huber": 5.0}], ids=next_of)
def test_a_linear_density_is_learnt_and_holds_on_new_photos(
    train, make_field, quick, one_target, aggregator, loss
):
    training = quick.model_copy(
        update={"aggregator": aggregator, "loss": loss, "epochs": 40, "n_seeds": 1}
    )
    trained = train(
        field=make_field(one_target, 80), recipe=Recipe(one_target, training, fingerprint="f")
    )
    new = make_field(one_target, 60, seed=9, name="new")
    assert r2(frame_of(trained, new.features), new, "cover") > 0.85


def test_shuffled_labels_teach_nothing(train, make_field, quick, one_target):
    field = make_field(one_target, 80)
    labels = field.labels.assign(cover=np.random.default_rng(0).permutation(field.labels["cover"]))
    recipe = Recipe(one_target, quick, fingerprint="f")
    trained = train(field=replace(field, labels=labels), recipe=recipe)
    new = make_field(one_target, 60, seed=9, name="new")
    assert r2(frame_of(trained, new.features), new, "cover") < 0.2


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(train, five_recipe):
    one, two = train(name="one"), train(name="two")
    assert same(state_of(one), state_of(two))
    training = five_recipe.training.model_copy(update={"seed": 1})
    other = train(name="other", recipe=replace(five_recipe, training=training))
    assert not same(state_of(one), state_of(other))


def test_the_callers_chance_threads_and_log_levels_are_left_alone(train, capfd):
    chance, threads = torch.get_rng_state(), torch.get_num_threads()
    level = logging.getLogger("pytorch_lightning").level
    train(threads=1)
    assert torch.equal(torch.get_rng_state(), chance)
    assert torch.get_num_threads() == threads
    assert logging.getLogger("pytorch_lightning").level == level
    assert capfd.readouterr() == ("", "")


def test_labels_of_other_photos_are_never_read(train, five_field):
    strangers = five_field.labels.assign(
        image_id=lambda t: "other" + t["image_id"], Dry_Total_g=np.nan
    )
    more = replace(five_field, labels=pd.concat([strangers, five_field.labels]))
    assert same(state_of(train(name="one")), state_of(train(name="two", field=more)))


def test_inner_photos_decide_when_to_stop_and_nothing_else(train, five_field, five_recipe):
    """Network 0 must not change when only the photos it sets aside are replaced."""
    training = five_recipe.training.model_copy(update={"n_seeds": 1, "patience": 99, "epochs": 1})
    recipe = replace(five_recipe, training=training)
    before = train(name="one", recipe=recipe)
    aside = set(before.inner.groups)
    assert aside < set(five_field.labels["group"])
    labels = five_field.labels.copy()
    targets = list(DataConfig().target_names)
    rows = labels["group"].isin(aside)
    labels.loc[rows, targets] = labels.loc[rows, targets].to_numpy() * 7
    features = five_field.features.features.copy()
    features[np.repeat(rows, np.diff(five_field.features.offsets))] += 5
    other = replace(
        five_field, labels=labels, features=replace(five_field.features, features=features)
    )
    after = train(name="two", recipe=recipe, field=other)
    assert same(state_of(before), state_of(after))
    assert not np.array_equal(before.inner.y, after.inner.y)


def test_a_photo_from_another_world_cannot_leave_the_training_range(five_trained, five_field):
    usual = frame_of(five_trained, five_field.features)["y_pred"].max()
    features = five_field.features
    wild = replace(features, features=np.full(features.features.shape, 3e4, dtype=np.float32))
    predicted = frame_of(five_trained, wild)["y_pred"]
    assert np.isfinite(predicted).all()
    assert predicted.max() < 20 * usual


def test_an_interrupted_ensemble_keeps_what_is_complete(train, tmp_path):
    complete = train()
    folder = tmp_path / "fold_0"
    kept = (folder / "seed_0.ckpt").stat().st_mtime_ns
    (folder / "seed_1.ckpt").write_bytes(b"half a file")
    (folder / "stamp.json").unlink()
    assert same(state_of(train()), state_of(complete))
    assert (folder / "seed_0.ckpt").stat().st_mtime_ns == kept
    assert not list(folder.glob("*.partial"))


def test_a_fold_is_held_while_it_is_trained(train, tmp_path, monkeypatch):
    """Two at once would write each other's states and logs."""
    lock, holders = tmp_path / ".fold_0.lock", []
    save = training_module.save_network

    def saved(fitted, path, **options):
        holders.append(holder_of(lock))
        save(fitted, path, **options)

    monkeypatch.setattr(training_module, "save_network", saved)
    train()
    assert len(holders) == 2
    assert all(name.startswith(f"process {os.getpid()} on ") for name in holders)
    assert not holder_of(lock)


def test_a_training_that_is_interrupted_goes_on_and_tidies_up(train, tmp_path, monkeypatch):
    """The first network is trained and not yet written when all ends."""
    folder = tmp_path / "fold_0"
    with monkeypatch.context() as patch:
        patch.setattr(training_module, "save_network", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train()
    assert [path.name for path in folder.iterdir()] == ["seed_0.last.ckpt"]
    trained = train(records=TrainingRecords(checkpoint_every_epochs=1))
    assert {path.name for path in folder.iterdir()} == {"seed_0.ckpt", "seed_1.ckpt", "stamp.json"}
    assert same(state_of(trained), state_of(train(name="clean")))


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_a_state_that_outlived_its_network_is_removed(train, tmp_path):
    train()
    left = tmp_path / "fold_0" / "seed_1.last.ckpt"
    left.write_bytes(b"left by a kill between two steps")
    train()
    assert not left.exists()


def unsealed(path):
    """A file without its own hash, which counts where it lies as well."""
    return re.sub(rb"biomass-sha256:[0-9a-f]{64}", b"", path.read_bytes())


def test_logs_lie_beside_the_checkpoints_and_change_none_of_them(train, tmp_path):
    train(name="plain")
    train(name="logged", records=TrainingRecords(loggers=("csv", "tensorboard")))
    plain, logged = tmp_path / "plain", tmp_path / "logged"
    for number in range(2):
        folder = logged / "logs" / f"seed_{number}"
        assert {path.name for path in folder.iterdir()} == {"csv", "tensorboard"}
        assert len((folder / "csv" / "metrics.csv").read_text().splitlines()) == 16
        name = f"seed_{number}.ckpt"
        assert unsealed(plain / name) == unsealed(logged / name)
    assert not (plain / "logs").exists()


def test_labels_that_explode_stop_the_training_by_name(train, five_field):
    labels = five_field.labels.copy()
    labels.loc[5, list(DataConfig().target_names)] = 1e100
    with pytest.raises(TrainingDivergedError, match=r"fold_0, network 0 .*photo005"):
        train(field=replace(five_field, labels=labels))


def test_one_group_is_refused(train, five_field):
    with pytest.raises(TooFewGroupsError, match="all of one group"):
        train(field=replace(five_field, labels=five_field.labels.assign(group="only")))


def test_a_photo_without_labels_is_refused(train, five_field):
    with pytest.raises(UnlabelledBagError, match="photo000"):
        train(field=replace(five_field, labels=five_field.labels.iloc[1:]))


@pytest.mark.gpu
def test_a_gpu_learns_as_well(train, make_field, quick, one_target):
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    recipe = Recipe(one_target, quick, fingerprint="f")
    field = make_field(one_target, 120)
    trained = train(field=field, recipe=recipe, device="cuda")
    predicted = frame_of(trained, field.features, device="cuda")
    assert r2(predicted, field, "cover") > 0.7
