"""Learning by hand: a model's version is what decided it, and it never reads its own fold."""

import pickle

import pytest

from biomass_pipeline.config import TrainingConfig

MODELS = ["mil_checkpoint", "ridge_baseline"]

CALL = "call"


@pytest.mark.parametrize("name", MODELS)
def test_the_second_call_reuses_the_first_ones_model(stand, name):
    caches = stand.caches(1, 2)
    first, again = (stand.model(name, 0, caches, how=CALL) for _ in range(2))
    assert (first.metadata["reused"], again.metadata["reused"]) == (False, True)
    assert first.value == again.value
    assert first.data_version == again.data_version
    assert first.data_version.value == first.metadata["training_fingerprint"]
    assert first.metadata["photos"] == 8
    assert first.metadata["feature_dim"] == 3


def test_a_handle_survives_pickling(stand):
    handle = stand.model("ridge_baseline", 0, stand.caches(1, 2))
    assert pickle.loads(pickle.dumps(handle)) == handle  # noqa: S301  # our own bytes


def test_a_label_of_another_fold_decides_and_one_of_its_own_does_not(stand):
    folds = stand.folds().set_index("image_id")["fold"]
    fold = int(folds["s0n0"])
    other = (fold + 1) % 3

    def versions():
        caches = stand.caches(0, 1, 2)
        return [
            stand.model(
                "ridge_baseline", k, {i: c for i, c in caches.items() if i != k}
            ).fingerprint
            for k in (fold, other)
        ]

    own, others = versions()
    stand.labels.rows["s0n0.png"] = ("2024-05-01", 99.0)
    after = versions()
    assert after[0] == own
    assert after[1] != others


def test_the_training_section_is_read_at_each_call(stand):
    caches = stand.caches(1, 2)
    before = stand.model("ridge_baseline", 0, caches).fingerprint
    training = TrainingConfig.model_validate(
        stand.config.training.model_dump() | {"learning_rate": 0.5}
    )
    edited = stand.with_config(training=training)
    assert edited.model("ridge_baseline", 0, caches).fingerprint != before


def test_held_out_photos_are_predicted_by_every_model(stand):
    result = stand.predictions(1)
    table = result.value
    own = stand.folds().query("fold == 1")["image_id"]
    assert set(table["model"]) == {"mil", "ridge", "constant"}
    assert set(table["image_id"]) == set(own)
    assert len(table) == 3 * len(own)
    assert set(table["fold"]) == {1}
    assert result.metadata["photos"] == len(own)
    assert result.data_version == stand.predictions(1).data_version
