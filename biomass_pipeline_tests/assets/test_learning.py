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


def edited(stand, **training):
    """The same project with other settings of training."""
    settings = TrainingConfig.model_validate(stand.config.training.model_dump() | training)
    return stand.with_config(training=settings)


OTHER_RIDGE = {"ridge": {"poolings": ("max",), "alphas": (0.1, 1.0)}}


@pytest.mark.parametrize(
    ("change", "decided"),
    [
        ({"learning_rate": 0.5}, {"mil_checkpoint"}),
        ({"covariate_dropout": 0.5}, {"mil_checkpoint"}),
        (OTHER_RIDGE, {"ridge_baseline"}),
        ({"inner_fraction": 0.4}, {*MODELS}),
        ({"seed": 7}, {*MODELS}),
        ({"model": "ridge"}, set()),
    ],
)
def test_the_training_section_is_read_at_each_call_and_decides_its_own_model(
    stand, change, decided
):
    caches = stand.caches(1, 2)
    before = {name: stand.model(name, 0, caches, how=CALL) for name in MODELS}
    after = {name: edited(stand, **change).model(name, 0, caches, how=CALL) for name in MODELS}
    assert {name for name in MODELS if after[name].data_version != before[name].data_version} == (
        decided
    )
    # What did not decide a model finds it as it was.
    assert {name for name in MODELS if not after[name].metadata["reused"]} == decided


def test_a_covariate_decides_the_network_that_reads_it_and_no_ridge(stand):
    caches, reading = stand.caches(1, 2), edited(stand, covariates=("season",))
    labels = stand.label_table()
    later = labels.assign(date=labels["date"].str.replace("2024-05", "2024-11"))

    def fingerprints(table):
        return {n: reading.model(n, 0, caches, labels=table).fingerprint for n in MODELS}

    before, after = fingerprints(labels), fingerprints(later)
    assert {name for name in MODELS if after[name] != before[name]} == {"mil_checkpoint"}


def test_training_tells_how_far_every_network_is(stand):
    training = TrainingConfig.model_validate(
        stand.config.training.model_dump() | {"n_seeds": 2, "epochs": 3}
    )
    stand = stand.with_config(training=training)
    stand.model("mil_checkpoint", 1, stand.caches(0, 2))
    told = stand.bar.seen["training", 1]
    assert [(t.network, t.epoch, t.most_epochs_left) for t in told] == [
        (1, 1, 5),
        (1, 2, 4),
        (1, 3, 3),
        (2, 1, 2),
        (2, 2, 1),
        (2, 3, 0),
    ]
    assert all(t.inner_error >= 0 and t.n_networks == 2 for t in told)
