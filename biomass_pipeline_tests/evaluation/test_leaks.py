"""A sceptic's tests: what a fold holds out decides nothing about its models; chance pays not."""

import hashlib
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch

from biomass_pipeline import mil
from biomass_pipeline.config import EvaluationConfig, RidgeConfig
from biomass_pipeline.evaluation.alarms import optimistic_gap
from biomass_pipeline.evaluation.comparison import compare_protocols
from biomass_pipeline.evaluation.protocols import Protocol, run_protocol
from biomass_pipeline.evaluation.split_models import SplitModels, photos
from biomass_pipeline.evaluation.trial import Trial
from biomass_pipeline_tests.evaluation.season import DATA, TRAINING, season, season_config

GROUPED = Protocol("group-k-fold-4-seed-0", "grouped", "group-k-fold-4", n_parts=4)
RANDOM = Protocol("random-4-seed-0", "random", "random-4", n_parts=4)
CONFIG = season_config(
    training=TRAINING.model_copy(update={"epochs": 4, "ridge": RidgeConfig(alphas=(1.0, 100.0))})
)
POISON = 1e4


def parts_of(thing, name=""):
    """Everything that a trained object holds, by its place in it, as bytes."""
    if isinstance(thing, torch.nn.Module):
        found = {f"{name}.{k}": v for k, v in thing.state_dict().items()}
        found |= {f"{name}.{k}.extra": v for k, v in vars(thing).items() if is_plain(v)}
        return {k: part for key, v in found.items() for k, part in parts_of(v, key).items()}
    if isinstance(thing, torch.Tensor):
        return parts_of(thing.detach().cpu().numpy(), name)
    if is_dataclass(thing):
        inner = {f"{name}.{f.name}": getattr(thing, f.name) for f in fields(thing)}
    elif isinstance(thing, dict):
        inner = {f"{name}.{key}": value for key, value in thing.items()}
    elif isinstance(thing, (list, tuple)):
        inner = {f"{name}.{n}": value for n, value in enumerate(thing)}
    else:
        return {name: as_bytes(thing)}
    return {k: part for key, value in inner.items() for k, part in parts_of(value, key).items()}


def is_plain(value):
    return isinstance(value, (int, float, str, tuple)) and not callable(value)


def as_bytes(thing):
    """Arrays as their bytes, other leaves as text; an object that hides its parts is refused."""
    if isinstance(thing, np.ndarray):
        return hashlib.sha256(f"{thing.dtype}{thing.shape}".encode() + thing.tobytes()).hexdigest()
    assert " object at 0x" not in repr(thing), f"no way to look into {thing!r}"
    return repr(thing)


def labels_poisoned(field, held_out):
    inside = field.labels["image_id"].isin(held_out)
    worse = field.labels["mass_g"].where(~inside, POISON + field.labels["mass_g"])
    return replace(field, labels=field.labels.assign(mass_g=worse))


def features_poisoned(field, held_out):
    worse = field.features.features.copy()
    for number, name in enumerate(field.features.image_ids):
        if name in held_out:
            worse[field.features.rows(number)] = POISON
    return replace(field, features=replace(field.features, features=worse))


def sessions_poisoned(field, held_out):
    inside = field.labels["image_id"].isin(held_out)
    other = {
        name: field.labels[name].where(~inside, "poison")
        for name in ("State", "Sampling_Date", "group")
    }
    return replace(field, labels=field.labels.assign(**other))


POISONS = [labels_poisoned, features_poisoned, sessions_poisoned]
SPLIT = GROUPED.plan(season().labels).splits[0]


def learn(field, folder):
    models = SplitModels.of(field.features, field.labels, config=CONFIG, device="cpu")
    return models.learn(SPLIT, folder / "fold_0")


def everything(field, folder):
    """All that was learnt without the fold, and what it says of photos that were left alone."""
    models = learn(field, folder)
    strangers = season(seed=9).features
    spec = mil.PredictionSpec.from_config(CONFIG.evaluation)
    found = parts_of(models, "models") | parts_of(models.choice(), "choice")
    for model, predictive in models.predict(strangers, spec=spec).items():
        found |= parts_of(predictive, f"said by {model}")
    return found


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return everything(season(), tmp_path_factory.mktemp("clean"))


@pytest.mark.parametrize("poison", POISONS)
def test_poisoning_what_is_held_out_changes_no_byte_of_what_was_learnt(poison, clean, tmp_path):
    poisoned = poison(season(), set(SPLIT.test_ids))
    found = everything(poisoned, tmp_path)
    assert set(found) == set(clean)
    assert [name for name in clean if found[name] != clean[name]] == []


@pytest.mark.parametrize(
    ("poison", "touched"),
    [
        (labels_poisoned, ("network", "ridge", "choice", "said by mil", "said by ridge")),
        (features_poisoned, ("network", "ridge", "choice", "novelty", "said by mil")),
        (sessions_poisoned, ("network", "ridge", "choice", "said by mil")),
    ],
)
def test_poisoning_one_group_that_was_learnt_from_is_seen_everywhere(
    poison, touched, clean, tmp_path
):
    group = season().labels.set_index("image_id")["group"]
    learnt = group[list(SPLIT.train_ids)]
    found = everything(poison(season(), set(learnt.index[learnt == learnt.iloc[0]])), tmp_path)
    changed = [name for name in clean if found[name] != clean[name]]
    for part in touched:
        assert any(part in name for name in changed), part


@pytest.mark.parametrize(
    "part",
    [
        "models.network.members.0.network.scaler.centre",
        "models.network.members.0.network.labels.component_mean",
        "models.network.members.0.network.aggregator.head.outputs.weight",
        "models.network.members.0.best_epoch",
        "models.network.scale",
        "models.network.inner.components",
        "models.ridge.members.0.alpha",
        "models.ridge.members.0.scale.centre",
        "models.ridge.novelty.basis",
        "choice.weights",
        "choice.scores.stack",
        "said by auto.lower",
        "said by stack.draws",
    ],
)
def test_the_comparison_looks_into_everything_that_is_learnt(part, clean):
    assert part in clean


@pytest.mark.slow
def test_the_floor_and_every_table_row_of_clean_photos_ignore_poisoned_ones(tmp_path):
    field, poisoned = season(), set(SPLIT.test_ids[:3])
    tables = [
        run_protocol(GROUPED, some.features, some.labels, config=CONFIG, folder=tmp_path)
        for some in (field, features_poisoned(labels_poisoned(field, poisoned), poisoned))
    ]
    rows = [t[(t["split"] == SPLIT.name) & ~t["image_id"].isin(poisoned)] for t in tables]
    pd.testing.assert_frame_equal(*rows, check_exact=True)


def test_only_training_photos_are_handed_on(monkeypatch, tmp_path):
    field, seen = season(), []

    def look(train, labels, **_):
        seen.append((set(train.image_ids), set(labels["image_id"])))
        raise StopIteration

    monkeypatch.setattr(mil, "train_fold", look, raising=False)
    with pytest.raises(StopIteration):
        learn(field, tmp_path)
    assert seen == [(set(SPLIT.train_ids), set(SPLIT.train_ids))]


def test_photos_are_picked_with_their_own_tiles():
    field = season()
    wanted = ("photo007", "photo003")
    found = photos(field.features, wanted)
    assert found.image_ids == ("photo003", "photo007")
    np.testing.assert_array_equal(found.bag(0), field.features.bag(3))
    np.testing.assert_array_equal(found.bag(1), field.features.bag(7))
    assert found.image_sha256 == tuple(field.features.image_sha256[n] for n in (3, 7))


def scores_of(protocol, field, folder):
    config = season_config(evaluation=EvaluationConfig(n_draws=20))
    table = run_protocol(protocol, field.features, field.labels, config=config, folder=folder)
    return Trial.of(table, data=DATA).scores()


@pytest.mark.slow
def test_session_colour_scores_on_random_folds_and_falls_to_the_floor_on_grouped_ones(tmp_path):
    field = season(session_colour=True)
    config = season_config(evaluation=EvaluationConfig(n_draws=20, n_resamples=100))
    tables = {
        protocol.key: run_protocol(
            protocol, field.features, field.labels, config=config, folder=tmp_path
        )
        for protocol in (GROUPED, RANDOM)
    }
    grouped, random = (Trial.of(table, data=DATA).scores() for table in tables.values())
    for model in ("ridge", "mil", "auto"):
        assert random[model] > random["constant"] + 0.4, model
        assert grouped[model] <= grouped["constant"] + 0.05, model
    found = compare_protocols(tables, field.labels, config=config)
    assert found["random_minus_grouped"]["mil"] > 0.5
    assert optimistic_gap(found).raised


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [GROUPED, RANDOM], ids=lambda protocol: protocol.kind)
def test_shuffled_labels_score_no_better_than_the_constant(protocol, tmp_path):
    field = season()
    mass = np.random.default_rng(5).permutation(field.labels["mass_g"].to_numpy())
    scores = scores_of(protocol, replace(field, labels=field.labels.assign(mass_g=mass)), tmp_path)
    for model in ("ridge", "mil", "auto"):
        assert scores[model] <= scores["constant"] + 0.05, model


@pytest.mark.slow
def test_honest_features_score_on_unseen_groups(tmp_path):
    scores = scores_of(GROUPED, season(), tmp_path)
    for model in ("ridge", "mil", "auto"):
        assert scores[model] > 0.8, model
