import subprocess
import sys

import pytest

from biomass_pipeline.config import DataConfig, TargetConfig, TrainingConfig
from biomass_pipeline.mil import provenance
from biomass_pipeline.mil.checkpoints import write_stamp
from biomass_pipeline.mil.provenance import (
    checkpoint_exists,
    fold_content,
    networks_exist,
    training_fingerprint,
)

IMAGES = [("aa", "g1", (1.0, 2.0)), ("bb", "g2", (3.0, 4.0))]


def fingerprint_of(**change):
    arguments = {
        "decides": TrainingConfig().decides_network(),
        "data": DataConfig(),
        "extraction": "e",
        "images": IMAGES,
    }
    return training_fingerprint(**(arguments | change))


@pytest.mark.parametrize(
    "change",
    [
        {"decides": TrainingConfig(learning_rate=0.5).decides_network()},
        {"decides": TrainingConfig().decides_ridge()},
        {"images": [IMAGES[0], ("bb", "g2", (3.0, float("nan")))]},
        {"images": [IMAGES[0], ("bb", "g2", (3.0, 4.0, 5.0))]},
        {"extraction": "other"},
        {"images": IMAGES[:1]},
        {"images": IMAGES[::-1]},
        {"images": [IMAGES[0], ("cc", "g2", (3.0, 4.0))]},
        {"images": [IMAGES[0], ("bb", "g3", (3.0, 4.0))]},
        {"images": [IMAGES[0], ("bb", "g2", (3.0, 5.0))]},
        {"data": DataConfig(group_columns=("State",))},
        {"data": DataConfig(identities={})},
        {"data": DataConfig(targets=(TargetConfig(name="a"),), identities={})},
    ],
)
def test_whatever_decides_the_result_changes_the_fingerprint(change):
    assert fingerprint_of(**change) != fingerprint_of()


@pytest.mark.parametrize(
    "data", [DataConfig(images="elsewhere", labels="other.csv"), DataConfig(quadrat_area_m2=1.0)]
)
def test_where_files_lie_does_not(data):
    assert fingerprint_of(data=data) == fingerprint_of()


def test_a_missing_value_is_the_same_missing_value_every_time():
    lacking = [IMAGES[0], ("bb", "g2", (3.0, float("nan")))]
    assert fingerprint_of(images=lacking) == fingerprint_of(images=iter(lacking))
    zero = [IMAGES[0], ("bb", "g2", (3.0, 0.0))]
    assert fingerprint_of(images=lacking) != fingerprint_of(images=zero)


def test_a_change_of_code_changes_it(monkeypatch):
    before = fingerprint_of()
    monkeypatch.setattr(provenance, "CODE_VERSION", "next")
    assert fingerprint_of() != before


def test_what_a_fold_teaches_has_no_order():
    assert fold_content(IMAGES) == fold_content(iter(IMAGES[::-1]))


@pytest.mark.parametrize(
    "images",
    [
        IMAGES[:1],
        [IMAGES[0], ("cc", "g2", (3.0, 4.0))],
        [IMAGES[0], ("bb", "g3", (3.0, 4.0))],
        [IMAGES[0], ("bb", "g2", (3.0, 5.0))],
        [IMAGES[0], ("bb", "g2", (3.0, float("nan")))],
        [*IMAGES, IMAGES[0]],
    ],
)
def test_photo_group_label_and_covariate_are_what_a_fold_teaches(images):
    assert fold_content(images) != fold_content(IMAGES)


def test_a_fold_exists_when_every_network_and_the_stamp_are_there(tmp_path):
    (tmp_path / "seed_0.ckpt").touch()
    assert not checkpoint_exists(tmp_path, "f", n_seeds=1)
    write_stamp(tmp_path, fingerprint="f", n_seeds=1)
    assert checkpoint_exists(tmp_path, "f", n_seeds=1)
    assert not checkpoint_exists(tmp_path, "f", n_seeds=2)
    assert not checkpoint_exists(tmp_path, "other", n_seeds=1)


def test_networks_are_there_when_as_many_are_as_the_stamp_declares(tmp_path):
    for number in range(2):
        (tmp_path / f"seed_{number}.ckpt").touch()
    assert not networks_exist(tmp_path, "f")
    write_stamp(tmp_path, fingerprint="f", n_seeds=2)
    assert networks_exist(tmp_path, "f")
    assert not networks_exist(tmp_path, "other")
    (tmp_path / "seed_1.ckpt").unlink()
    assert not networks_exist(tmp_path, "f")


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_damaged_stamp_counts_as_none(tmp_path, text):
    (tmp_path / "stamp.json").write_text(text)
    assert not checkpoint_exists(tmp_path, "f", n_seeds=0)


def test_asking_needs_no_torch():
    code = (
        "import sys; from biomass_pipeline.mil import training_fingerprint, checkpoint_exists; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # our own words
