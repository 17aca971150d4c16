import re

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.config import EvaluationConfig, FoldsConfig, ProtocolsConfig
from biomass_pipeline.errors import OverlappingSplitError, UnlabelledBagError
from biomass_pipeline.evaluation.protocols import (
    KINDS,
    PROTOCOL_COLUMNS,
    Protocol,
    check_apart,
    hold_out,
    protocols_of,
    run_protocol,
)
from biomass_pipeline.evaluation.splits import Split
from biomass_pipeline_tests.evaluation.season import (
    ALL_PROTOCOLS,
    TRAINING,
    MeanPredictor,
    season,
    season_config,
)

GROUPED = Protocol("group-k-fold-4-seed-0", "grouped", "group-k-fold-4", n_parts=4)


def keys(**protocols):
    config = season_config(evaluation=EvaluationConfig(protocols=ProtocolsConfig(**protocols)))
    return [protocol.key for protocol in protocols_of(config)]


def test_the_protocols_are_these():
    assert keys(group_seeds=2, random_seeds=1, forward_parts=4, learning_curve=(0.25, 0.5)) == [
        "group-k-fold-4-seed-0",
        "group-k-fold-4-seed-1",
        "leave-out-State",
        "forward-4",
        "random-4-seed-0",
        "learning-curve-0.25-4-seed-0",
        "learning-curve-0.25-4-seed-1",
        "learning-curve-0.5-4-seed-0",
        "learning-curve-0.5-4-seed-1",
    ]


def test_what_is_not_asked_for_is_not_there():
    assert keys(group_seeds=0, random_seeds=0, forward_parts=0, leave_out=()) == []


def test_every_key_is_its_own_and_may_name_a_partition():
    found = keys(leave_out=("State", "plot no", "plot_no", "Größe"))
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", key) for key in found)
    kinds = [p.kind for p in protocols_of(season_config())]
    assert sorted(set(kinds), key=KINDS.index) == list(KINDS)
    assert kinds == sorted(kinds, key=KINDS.index)


def test_repeats_share_a_family_and_nothing_else_does():
    families = {}
    for protocol in protocols_of(season_config()):
        families.setdefault(protocol.family, []).append(protocol)
    assert [p.seed for p in families["group-k-fold-4"]] == [0, 1, 2, 3, 4]
    for members in families.values():
        assert len({(p.kind, p.n_parts, p.column, p.share) for p in members}) == 1


def test_one_group_a_fold_can_be_dealt_in_one_way_only():
    folds = FoldsConfig(n_folds=20, strategy="leave_one_group_out")
    found = [p.key for p in protocols_of(season_config(folds=folds)) if p.kind == "grouped"]
    assert found == ["group-k-fold-20-seed-0"]


def test_only_random_folds_are_optimistic():
    found = {p.kind for p in protocols_of(season_config()) if p.optimistic}
    assert found == {"random"}


@pytest.mark.parametrize("protocol", protocols_of(season_config()), ids=lambda p: p.key)
def test_no_protocol_but_the_optimistic_one_has_a_group_on_both_sides(protocol):
    labels = season().labels
    group = labels.set_index("image_id")["group"]
    cut = [
        set(group[list(split.train_ids)]) & set(group[list(split.test_ids)])
        for split in protocol.splits(labels)
    ]
    assert len(cut) >= 3
    assert any(cut) == protocol.optimistic


def test_predictions_meet_what_was_measured_and_what_was_learnt_from():
    labels = season().labels
    predictor = MeanPredictor(labels)
    table = hold_out(GROUPED, labels, predictor=predictor, targets=("mass_g",))
    assert tuple(table.columns) == PROTOCOL_COLUMNS
    assert not table.duplicated(["image_id", "target", "model"]).any()
    assert len(table) == 2 * len(labels)
    known = labels.set_index("image_id")
    assert list(table["y_true"]) == list(known.loc[table["image_id"], "mass_g"])
    assert list(table["group"]) == list(known.loc[table["image_id"], "group"])
    for split in predictor.asked:
        rows = table[table["split"] == split.name]
        assert set(rows["n_train_groups"]) == {known.loc[list(split.train_ids), "group"].nunique()}
        held_out = rows[rows["model"] == "constant"]["y_pred"]
        np.testing.assert_allclose(held_out, known.loc[list(split.train_ids), "mass_g"].mean())
    assert set(table["key"]) == {GROUPED.key}
    assert set(table["kind"]) == {"grouped"}


def test_a_plan_without_splits_gives_an_empty_table_of_the_same_columns():
    labels = season().labels.assign(State="NSW")
    protocol = Protocol("leave-out-State", "leave-out", "leave-out-State", column="State")
    table = hold_out(protocol, labels, predictor=MeanPredictor(labels), targets=("mass_g",))
    assert tuple(table.columns) == PROTOCOL_COLUMNS
    assert len(table) == 0
    full = hold_out(GROUPED, labels, predictor=MeanPredictor(labels), targets=("mass_g",))
    assert dict(table.dtypes) == dict(full.dtypes)


def test_a_group_on_both_sides_is_refused_by_name_and_allowed_where_nothing_is_promised():
    labels = pd.DataFrame({"image_id": ["a", "b", "c"], "group": ["here", "here", "there"]})
    split = Split("3", ("a", "c"), ("b",))
    words = r"Split 3 of protocol group-k-fold-4-seed-0 has 1 group\(s\) on both sides: here"
    with pytest.raises(OverlappingSplitError, match=words):
        check_apart(GROUPED, split, labels)
    check_apart(Protocol("random-4-seed-0", "random", "random-4", n_parts=4), split, labels)


def test_a_photo_on_both_sides_is_refused_even_there():
    labels = pd.DataFrame({"image_id": ["a", "b"], "group": ["here", "there"]})
    random = Protocol("random-4-seed-0", "random", "random-4", n_parts=4)
    with pytest.raises(OverlappingSplitError, match=r"1 photo\(s\) on both sides: b"):
        check_apart(random, Split("0", ("a", "b"), ("b",)), labels)


def test_a_photo_labelled_in_two_groups_is_refused_before_anything_is_trained():
    labels = season().labels
    twice = pd.concat([labels, labels.iloc[-1:].assign(group=labels["group"].iloc[0])])
    predictor = MeanPredictor(labels)
    with pytest.raises(OverlappingSplitError, match="photo099"):
        hold_out(GROUPED, twice, predictor=predictor, targets=("mass_g",))
    assert predictor.asked == []


def run(protocol, field, tmp_path, **sections):
    sections = {"training": TRAINING.model_copy(update={"epochs": 5}), **sections}
    config = season_config(**sections)
    return run_protocol(
        protocol,
        field.features,
        field.labels,
        config=config,
        device="cpu",
        folder=tmp_path,
    )


@pytest.mark.slow
def test_every_model_predicts_the_same_photos_and_leaves_no_checkpoint(tmp_path):
    field = season(n_groups=8, per_group=3)
    gone = field.labels["image_id"].iloc[0]  # quarantined: labelled, without features
    labels = pd.concat([field.labels, field.labels.iloc[:1].assign(image_id="quarantined")])
    field = type(field)(field.features, labels)
    table = run(GROUPED, field, tmp_path)
    assert {"constant", "ridge", "mil", "stack", "auto"} <= set(table["model"])
    for _, rows in table.groupby("model"):
        assert sorted(rows["image_id"]) == sorted(field.features.image_ids)
    assert gone in set(table["image_id"])
    assert table[["y_true", "y_pred"]].notna().all().all()
    assert list(tmp_path.iterdir()) == []
    again = run(GROUPED, field, tmp_path)
    pd.testing.assert_frame_equal(table, again)


@pytest.mark.slow
def test_every_kind_of_protocol_runs(tmp_path):
    field = season(n_groups=12, per_group=3)
    evaluation = EvaluationConfig(n_draws=20, protocols=ALL_PROTOCOLS)
    config = season_config(evaluation=evaluation)
    seen = set()
    for protocol in protocols_of(config):
        if protocol.seed == 0:
            table = run(protocol, field, tmp_path, evaluation=evaluation)
            assert len(table) > 0
            assert set(table["kind"]) == {protocol.kind}
            seen.add(protocol.kind)
    assert seen == set(KINDS)


def test_features_without_a_label_are_named(tmp_path):
    field = season(n_groups=4)
    with pytest.raises(UnlabelledBagError, match="photo019"):
        run(GROUPED, type(field)(field.features, field.labels.iloc[:-1]), tmp_path)
