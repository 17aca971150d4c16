import logging
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from biomass_pipeline.config import AugmentationConfig, DataConfig
from biomass_pipeline.mil.resuming import read_state
from biomass_pipeline.mil.targets import Recipe
from biomass_pipeline.mil.training import TrainingRecords, train_fold
from biomass_pipeline_tests.mil.conftest import QUICK, make_field
from biomass_pipeline_tests.mil.fits import fit, same
from biomass_pipeline_tests.mil.test_logs import rows_of

SETTINGS = {
    "plain": {},
    "dropout and warm-up": {"dropout": 0.4, "input_dropout": 0.2, "warmup_epochs": 8},
    "augmentation and mixup": {"augmentation": (AugmentationConfig(),), "mixup": 0.4},
    "ema": {"averaging": "ema"},
    "swa, fixed": {"averaging": "swa", "stopping": "fixed"},
    "ziln": {"loss": {"ziln": 1.0, "huber": 5.0}},
    "best before the kill": {"learning_rate": 1.0, "patience": 9},
}


class KilledError(Exception):
    """Stands in for a kill: it comes from nowhere and nothing is tidied up."""


@pytest.fixture
def kept(tmp_path):
    return tmp_path / "seed_0.last.ckpt"


@pytest.fixture
def train(five_field, quick, kept):
    def run(*, update=None, killed_in=None, **options):
        told = []

        def listen(epoch, error):
            told.append(epoch)
            if epoch == killed_in:
                raise KilledError

        training = quick.model_copy(update={"epochs": 12} | (update or {}))
        given = {"resume": kept, "checkpoint_every_epochs": 3, "fingerprint": "abc"} | options
        try:
            return fit(five_field, training, on_epoch=listen, **given), told
        except KilledError:
            return None, told

    return run


@pytest.mark.parametrize("update", SETTINGS.values(), ids=SETTINGS)
def test_a_killed_training_goes_on_to_the_very_same_network(train, kept, update, tmp_path):
    clean, epochs = train(update=update, resume=None)
    _, before = train(update=update, killed_in=7, logs=tmp_path / "logs", loggers=("csv",))
    assert before == list(range(8))
    assert kept.is_file()
    resumed, after = train(update=update, logs=tmp_path / "logs", loggers=("csv",))
    assert after == epochs[6:]
    assert same(resumed, clean)
    assert [int(row["epoch"]) for row in rows_of(tmp_path / "logs")] == epochs


def test_a_training_may_be_killed_again_and_again(train):
    clean, _ = train(resume=None)
    assert [train(killed_in=epoch)[1][0] for epoch in (4, 7, 10)] == [0, 3, 6]
    resumed, after = train()
    assert after == [9, 10, 11]
    assert same(resumed, clean)


def test_a_training_killed_before_the_first_state_begins_anew(train, kept):
    train(killed_in=1)
    assert not kept.exists()
    assert train()[1][0] == 0


def test_the_state_needs_no_trust_and_names_its_training(train, kept):
    train(killed_in=4, update={"averaging": "ema"})
    state = torch.load(kept, weights_only=True)
    assert (state["fingerprint"], state["epoch"]) == ("abc", 3)
    assert len(state["stop"]["history"]) == 3
    assert not list(kept.parent.glob("*.partial"))


def test_keeping_a_state_changes_nothing(train):
    clean, _ = train(resume=None)
    assert same(train(checkpoint_every_epochs=1)[0], clean)


@pytest.mark.parametrize("damage", [b"", b"half a file", "truncated", "tensor"])
def test_a_damaged_state_is_left_aside_with_a_sentence(train, kept, caplog, damage):
    train(killed_in=4)
    if damage == "truncated":
        kept.write_bytes(kept.read_bytes()[:2000])
    elif damage == "tensor":
        torch.save(torch.ones(3), kept)
    else:
        kept.write_bytes(damage)
    with caplog.at_level(logging.WARNING):
        resumed, told = train()
    assert told[0] == 0
    assert same(resumed, train(resume=None)[0])
    assert "last.ckpt cannot be read" in caplog.text
    assert "begins anew" in caplog.text


def test_a_state_of_another_training_is_left_aside_with_a_sentence(train, kept, caplog):
    train(killed_in=4)
    with caplog.at_level(logging.WARNING):
        assert train(fingerprint="xyz")[1][0] == 0
    assert "is of another training (abc, not xyz), so this one begins anew" in caplog.text


def test_no_state_is_no_news(kept, caplog):
    assert read_state(kept, fingerprint="abc") is None
    assert not caplog.text


LONG = {"epochs": 60, "patience": 60, "n_seeds": 1, "dropout": 0.3}


def train_long(folder):
    """What the process does that is killed."""
    field, training = make_field(DataConfig()), QUICK.model_copy(update=LONG)
    train_fold(
        field.features,
        field.labels,
        recipe=Recipe(DataConfig(), training, fingerprint="abc"),
        checkpoint_folder=folder,
        records=TrainingRecords(checkpoint_every_epochs=2),
    )


@pytest.mark.slow
def test_a_process_that_is_killed_is_finished_by_the_next(tmp_path):
    folder, clean = tmp_path / "killed" / "fold_0", tmp_path / "clean" / "fold_0"
    kept = folder / "seed_0.last.ckpt"
    script = "import sys, pathlib; from biomass_pipeline_tests.mil.test_resuming import train_long"
    victim = subprocess.Popen(
        [sys.executable, "-c", f"{script}; train_long(pathlib.Path(sys.argv[1]))", str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    while not kept.exists():
        assert victim.poll() is None
        time.sleep(0.005)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert kept.exists()
    assert not (folder / "seed_0.ckpt").exists()
    train_long(folder)
    assert not kept.exists()
    train_long(clean)
    assert (folder / "seed_0.ckpt").read_bytes() == (clean / "seed_0.ckpt").read_bytes()
