import shutil

import numpy as np
import pytest
import torch

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.errors import (
    MissingCheckpointError,
    StaleCheckpointError,
    UnreadableCheckpointError,
)
from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.checkpoints import load_fold, load_network
from biomass_pipeline.mil.module import BagModule
from biomass_pipeline.mil.provenance import checkpoint_exists


@pytest.fixture
def folder(five_folder, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(five_folder, tmp_path / "fold_0")


def test_a_checkpoint_needs_no_trust(five_folder, five_recipe):
    content = torch.load(five_folder / "seed_0.ckpt", weights_only=True)
    assert content["biomass"]["fingerprint"] == "abc"
    assert TrainingConfig(**content["hyper_parameters"]["training"]) == five_recipe.training
    assert content["hyper_parameters"]["targets"]["names"][-1] == "Dry_Total_g"
    assert {"network.scaler.mean", "network.scaler.sd", "network.labels.component_mean"} <= set(
        content["state_dict"]
    )
    assert "optimizer_states" not in content


def test_lightning_reads_it_as_well(five_trained, five_folder):
    module = BagModule.load_from_checkpoint(five_folder / "seed_0.ckpt", weights_only=True)
    ours = five_trained.members[0].network.state_dict()
    assert all(torch.equal(ours[key], value) for key, value in module.network.state_dict().items())


def test_the_weights_on_disk_are_those_that_made_the_inner_predictions(five_trained, five_field):
    bags = BagBatch.from_feature_set(five_field.features)
    groups = five_field.labels["group"].to_numpy()
    for member in five_trained.members:
        scaled = bags.with_features(member.network.scaler(bags))
        again = member.network.components(scaled).numpy()[np.isin(groups, member.inner.groups)]
        assert again == pytest.approx(member.inner.components, rel=1e-5)


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
