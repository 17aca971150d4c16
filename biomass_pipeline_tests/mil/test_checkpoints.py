import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from biomass_pipeline.config import DataConfig, TrainingConfig
from biomass_pipeline.errors import (
    MissingCheckpointError,
    StaleCheckpointError,
    UnreadableCheckpointError,
)
from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.checkpoints import TrainedFold, load_fold, load_network
from biomass_pipeline.mil.fitted import InnerOutputs
from biomass_pipeline.mil.module import BagModule
from biomass_pipeline.mil.provenance import checkpoint_exists
from biomass_pipeline.mil.targets import Recipe
from biomass_pipeline.mil.training import train_fold
from biomass_pipeline.scoring import mint_weights, reconcile
from biomass_pipeline_tests.mil.conftest import QUICK


@pytest.fixture
def folder(five_folder, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(five_folder, tmp_path / "fold_0")


def test_a_checkpoint_needs_no_trust(five_folder, five_recipe):
    content = torch.load(five_folder / "seed_0.ckpt", weights_only=True)
    assert content["biomass"]["fingerprint"] == "abc"
    assert TrainingConfig(**content["hyper_parameters"]["training"]) == five_recipe.training
    assert content["hyper_parameters"]["targets"]["names"][-1] == "Dry_Total_g"
    assert {
        "network.scaler.centre",
        "network.scaler.spread",
        "network.labels.component_mean",
    } <= set(content["state_dict"])
    assert "optimizer_states" not in content


def test_lightning_reads_it_as_well(five_trained, five_folder):
    module = BagModule.load_from_checkpoint(five_folder / "seed_0.ckpt", weights_only=True)
    ours = five_trained.members[0].network.state_dict()
    assert all(torch.equal(ours[key], value) for key, value in module.network.state_dict().items())


def test_the_weights_on_disk_are_those_that_made_the_inner_predictions(five_trained, five_field):
    bags = BagBatch.from_feature_set(five_field.features)
    for member in five_trained.members:
        chosen = np.isin(five_field.features.image_ids, member.inner.image_ids)
        again = member.network.outputs(member.network.scaled(bags)).numpy()[chosen]
        assert again == pytest.approx(member.inner.outputs, rel=1e-5)


def test_equal_trainings_give_equal_files(five_field, five_recipe, five_folder, tmp_path):
    train_fold(
        five_field.features,
        five_field.labels,
        recipe=five_recipe,
        checkpoint_folder=tmp_path / "fold_0",
    )
    for name in ("seed_0.ckpt", "seed_1.ckpt", "stamp.json"):
        assert (tmp_path / "fold_0" / name).read_bytes() == (five_folder / name).read_bytes()


def test_inner_predictions_are_joined_and_scaled(five_trained):
    said = [member.inner for member in five_trained.members]
    outputs = np.concatenate([inner.outputs for inner in said])
    inner = five_trained.inner
    assert inner.components == pytest.approx(outputs * five_trained.scale)
    assert inner.image_ids.tolist() == [name for part in said for name in part.image_ids]
    assert inner.groups.tolist() == [name for part in said for name in part.groups]
    columns = list(five_trained.targets.component_columns)
    y = inner.y[:, columns]
    wanted = (outputs * y).sum(axis=0) / (outputs**2).sum(axis=0)
    assert five_trained.scale == pytest.approx(wanted)
    assert five_trained.outputs == five_trained.targets
    assert five_trained.covariates == ()
    assert five_trained.feature_dim == 8


def test_components_of_components_are_scaled_and_no_more(five_trained):
    outputs = np.random.default_rng(0).gamma(2.0, 3.0, (4, 3))
    assert np.array_equal(five_trained.components_of(outputs), outputs * five_trained.scale)


@pytest.fixture(scope="module")
def independent(five_field, tmp_path_factory):
    """Folds whose networks put every target out by itself, by how they are reconciled."""

    def train(reconciliation):
        update = {"head": "independent", "reconciliation": reconciliation, "epochs": 4}
        training = QUICK.model_copy(update=update | {"loss": {"ziln": 1.0, "huber": 5.0}})
        return train_fold(
            five_field.features,
            five_field.labels,
            recipe=Recipe(DataConfig(), training, fingerprint="abc"),
            checkpoint_folder=tmp_path_factory.mktemp(reconciliation) / "fold_0",
        )

    return {name: train(name) for name in ("metric", "mint")}


@pytest.mark.parametrize("name", ["metric", "mint"])
def test_independent_outputs_are_reconciled_to_components(independent, name):
    trained = independent[name]
    said = InnerOutputs.concatenate([member.inner for member in trained.members])
    assert trained.outputs.components == trained.targets.names
    assert said.outputs.shape[1] == 5
    weights = {
        "metric": np.array(trained.targets.weights),
        "mint": mint_weights(said.y - said.outputs),
    }[name]
    wanted = reconcile(said.outputs, trained.targets.matrix, weights=weights)
    assert trained.inner.components == pytest.approx(wanted * trained.scale)
    assert np.array_equal(trained.components_of(said.outputs), trained.inner.components)
    columns = list(trained.targets.component_columns)
    assert np.array_equal(trained.inner.ranks, said.ranks[:, columns])


def test_coherent_outputs_keep_their_components(independent):
    trained = independent["metric"]
    components = np.random.default_rng(0).gamma(2.0, 3.0, (6, 3))
    found = trained.components_of(trained.targets.sums(components))
    assert found == pytest.approx(components * trained.scale)


def test_one_inner_photo_is_reconciled_by_the_metric_with_a_sentence(independent, caplog):
    member = independent["mint"].members[0]
    one = np.array([0])
    said = member.inner
    single = InnerOutputs(
        said.image_ids[one], said.groups[one], said.y[one], said.outputs[one], said.ranks[one]
    )
    with caplog.at_level("WARNING"):
        trained = TrainedFold.assemble((replace(member, inner=single),), fingerprint="abc")
    assert np.array_equal(trained.reconciling, trained.targets.weights)
    assert "by the metric's weights" in caplog.text


def test_covariates_are_named(five_field, tmp_path):
    labels = five_field.labels.assign(height=np.arange(40.0))
    training = QUICK.model_copy(update={"covariates": ("height",), "epochs": 2, "n_seeds": 1})
    recipe = Recipe(DataConfig(), training, fingerprint="abc")
    trained = train_fold(
        five_field.features, labels, recipe=recipe, checkpoint_folder=tmp_path / "fold_0"
    )
    assert trained.covariates == ("height",)
    encoder = trained.members[0].network.covariates
    learnt = ~np.isin(five_field.features.image_ids, trained.members[0].inner.image_ids)
    assert encoder.mean.tolist() == pytest.approx([np.arange(40)[learnt].mean()])


def test_reading_leaves_the_callers_chance_alone(five_folder):
    chance = torch.get_rng_state()
    load_fold(five_folder, "abc")
    assert torch.equal(torch.get_rng_state(), chance)


def test_the_folder_holds_whole_files_only(five_folder):
    names = {path.name for path in five_folder.iterdir()}
    assert names == {"seed_0.ckpt", "seed_1.ckpt", "stamp.json"}
    assert checkpoint_exists(five_folder, "abc", n_seeds=2)


def test_a_stranger_is_refused(folder):
    with pytest.raises(
        StaleCheckpointError, match="fold_0 was trained under fingerprint abc, but xyz"
    ):
        load_fold(folder, "xyz")


def test_a_strange_network_in_the_right_folder_is_refused(folder):
    with pytest.raises(StaleCheckpointError, match=r"seed_1\.ckpt was trained under"):
        load_network(folder / "seed_1.ckpt", fingerprint="xyz")


@pytest.mark.parametrize("name", ["stamp.json", "seed_1.ckpt"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(MissingCheckpointError, match=r"no trained fold at .*fold_0"):
        load_fold(folder, "abc")


def test_a_truncated_checkpoint_is_named(folder):
    path = folder / "seed_0.ckpt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UnreadableCheckpointError, match=r"seed_0\.ckpt cannot be read"):
        load_fold(folder, "abc")


def test_a_pickle_in_disguise_is_not_run(folder):
    path = folder / "seed_0.ckpt"
    torch.save({"biomass": pytest.raises}, path)
    with pytest.raises(UnreadableCheckpointError, match="UnpicklingError"):
        load_fold(folder, "abc")


def test_someone_elses_checkpoint_is_named(folder):
    torch.save({"state_dict": {}}, folder / "seed_0.ckpt")
    with pytest.raises(UnreadableCheckpointError, match="KeyError"):
        load_fold(folder, "abc")


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_damaged_stamp_is_named(folder, text):
    (folder / "stamp.json").write_text(text)
    with pytest.raises(UnreadableCheckpointError, match="it is no stamp"):
        load_fold(folder, "abc")


def test_a_flipped_bit_of_a_weight_is_noticed(folder):
    path = folder / "seed_0.ckpt"
    with zipfile.ZipFile(path) as archive:
        record = max(archive.infolist(), key=lambda one: one.file_size)
    data = bytearray(path.read_bytes())
    data[record.header_offset + 30 + len(record.filename) + 200] ^= 1
    path.write_bytes(data)
    with pytest.raises(UnreadableCheckpointError, match="BadZipFile"):
        load_fold(folder, "abc")


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("hyper_parameters", "training", {"hidden": 1}),
        ("state_dict", "network.scaler.centre", torch.zeros(3)),
        ("biomass", "inner", {"y": None}),
        ("biomass", "best_epoch", "late"),
    ],
)
def test_a_checkpoint_of_another_content_is_named(folder, part, name, value):
    path = folder / "seed_0.ckpt"
    content = torch.load(path, weights_only=True)
    content[part][name] = value
    torch.save(content, path)
    with pytest.raises(UnreadableCheckpointError, match=r"seed_0\.ckpt cannot be read"):
        load_fold(folder, "abc")


def test_networks_that_do_not_fit_together_are_named(folder):
    for number in range(2):
        path = folder / f"seed_{number}.ckpt"
        content = torch.load(path, weights_only=True)
        content["hyper_parameters"]["targets"]["names"][0] = "another"
        torch.save(content, path)
    with pytest.raises(UnreadableCheckpointError, match="do not fit together"):
        load_fold(folder, "abc")
