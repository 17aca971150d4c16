"""Each check passes where it should, and fails with a sentence that names what is wrong."""

from datetime import timedelta
from functools import cache

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomass_pipeline.config import Config, DataConfig, FoldsConfig, TargetConfig, load_config
from biomass_pipeline.errors import TooManyQuarantinedError
from biomass_pipeline.evaluation import MANIFEST, standing
from biomass_pipeline.manifest import check_quarantine
from biomass_pipeline.orchestration import build_definitions
from biomass_pipeline.orchestration.checks import build_checks, rules_of
from biomass_pipeline.project import Project
from biomass_pipeline.store import FeatureSet, Quarantined
from biomass_pipeline.store.memory import MemoryCache

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
MODELS = ("constant", "ridge", "mil", "stack", "auto")
ONE = DataConfig(targets=(TargetConfig(name="mass_g"),), identities={})
CONFIG = Config(data=ONE, folds=FoldsConfig(n_folds=2))

# Asset and check: whether it blocks, and how grave it is. A new check costs a line.
CHECKS = {
    "image_manifest.manifest_is_well_formed": (True, ERROR),
    "image_manifest.quarantine_below_limit": (False, ERROR),
    "label_table.labels_are_well_formed": (True, ERROR),
    "label_table.label_sums_hold": (True, ERROR),
    "label_table.labels_are_plausible": (False, WARN),
    "fold_assignment.folds_are_well_formed": (True, ERROR),
    "fold_assignment.no_group_straddles_folds": (True, ERROR),
    "fold_assignment.no_photo_is_on_both_sides": (True, ERROR),
    "fold_assignment.folds_are_balanced": (False, WARN),
    "oof_predictions.predictions_are_well_formed": (True, ERROR),
    "oof_predictions.each_photo_is_predicted_once": (True, ERROR),
    "oof_predictions.predicted_sums_hold": (True, ERROR),
    "oof_predictions.no_leak_is_suspected": (False, WARN),
    "evaluation.model_beats_the_floor": (False, WARN),
    "evaluation.score_holds_against_last_time": (False, WARN),
    "evaluation.intervals_keep_their_promise": (False, WARN),
    "predictions.predictions_are_usable": (True, ERROR),
    "predictions.new_sums_hold": (True, ERROR),
    "predictions.each_new_photo_is_predicted": (False, ERROR),
    "predictions.new_photos_are_in_the_domain": (False, WARN),
    "predictions.new_photos_are_like_known_ones": (False, WARN),
}
# These are reported by their assets themselves, fold by fold.
WITHIN = {
    "patch_index.tiles_cover_each_photo": True,
    "feature_cache.features_are_finite": True,
    "feature_cache.norms_are_as_before": False,
    "feature_cache.dimensions_are_alive": False,
    "inference_features.features_are_finite": True,
    "inference_features.norms_are_as_before": False,
    "inference_features.dimensions_are_alive": False,
}


def look(name, config=CONFIG, **given):
    """The result of a check, of the tables given."""
    (rule,) = [rule for rule in rules_of(config) if rule.name == name]
    return rule.result(given)


@cache
def graph():
    return build_definitions(Project(None, (), (), load_config(None))).resolve_asset_graph()


def test_severity_and_blocking_are_pinned():
    found = {
        f"{rule.asset}.{rule.name}": (rule.blocking, rule.severity) for rule in rules_of(CONFIG)
    }
    assert found == CHECKS


def test_the_graph_has_these_checks_and_those_of_the_assets():
    found = {
        f"{key.asset_key.to_user_string()}.{key.name}": graph().get(key).blocking
        for key in graph().asset_check_keys
    }
    assert found == {name: blocking for name, (blocking, _) in CHECKS.items()} | WITHIN


def test_every_check_says_what_must_hold():
    for key in graph().asset_check_keys:
        assert graph().get(key).description.endswith("."), key


def test_what_a_check_reads_is_there_when_its_asset_is():
    """Its asset, or what that is made of: nothing that may not have been made yet."""
    for rule in rules_of(CONFIG):
        key = dg.AssetKey(rule.asset)
        upstream = graph().get_ancestor_asset_keys(key) | {key}
        assert {dg.AssetKey(name) for name in rule.reads} <= upstream, rule.name


def test_the_checks_of_an_asset_are_one_step():
    assert len(build_checks(CONFIG)) == len({name.partition(".")[0] for name in CHECKS})


def manifest(*, ok=0, quarantined=0, labelled=True):
    rows = [("ok", "")] * ok + [("quarantined", "empty file")] * quarantined
    table = pd.DataFrame(rows, columns=["status", "reason"])
    n = len(table)
    names = [f"p{number:02d}" for number in range(n)]
    table = table.assign(image_id=names, path=[f"{name}.png" for name in names])
    table = table.assign(sha256=[f"{number:064x}" for number in range(n)], labelled=labelled)
    chance = np.random.default_rng(0)
    table["perceptual_hash"] = [chance.bytes(8).hex() for _ in range(n)]
    for name, kind in MANIFEST.columns.items():
        if name not in table:
            table[name] = {"text": "", "whole": 1, "number": 1.0}[kind]
    kinds = {"text": "str", "whole": "int64", "number": "float64", "flag": "bool"}
    return table.astype({name: kinds[kind] for name, kind in MANIFEST.columns.items()})


def labels(n=24, *, per_group=4):
    """Sessions of four photos each, and masses that say nothing."""
    return pd.DataFrame(
        {
            "image_id": [f"p{number:02d}" for number in range(n)],
            "mass_g": np.random.default_rng(0).gamma(9.0, 2.0, n),
            "group": [f"g{number // per_group}" for number in range(n)],
            "State": "WA",
            "Sampling_Date": "2015-09-04",
        }
    ).astype({"image_id": "str", "group": "str", "mass_g": "float64"})


def folds(n=24, *, n_folds=2):
    table = labels(n)[["image_id", "group"]]
    return table.assign(fold=(np.arange(n) // 4 % n_folds).astype("int64"))


def feature_set(names, features):
    """One tile a photo."""
    n = len(names)
    return FeatureSet(
        features=np.asarray(features, dtype=np.float16),
        coords=np.zeros((n, 2), np.int32),
        area_weight=np.ones(n, np.float32),
        image_ids=tuple(names),
        image_sha256=tuple(f"{number:064x}" for number in range(n)),
        offsets=np.arange(n + 1),
    )


def caches(table, *, width=5, seed=1):
    chance = np.random.default_rng(seed)
    return {
        int(fold): MemoryCache(
            "f", feature_set(rows["image_id"], chance.normal(0, 1, (len(rows), width)))
        )
        for fold, rows in table.groupby("fold")
    }


class TestDoor:
    def test_a_manifest_as_it_is_made_passes(self):
        found = look("manifest_is_well_formed", image_manifest=manifest(ok=3, quarantined=1))
        assert found.passed
        assert found.description.startswith("4 rows")

    def test_a_manifest_that_lost_a_column_fails_with_its_name(self):
        table = manifest(ok=3).drop(columns="sha256")
        found = look("manifest_is_well_formed", image_manifest=table)
        assert not found.passed
        assert found.severity == ERROR
        assert "column sha256 is missing" in found.description
        assert "column sha256 is missing" in found.metadata["cases"].value

    @pytest.mark.parametrize("n_quarantined", [0, 1])
    def test_quarantine_up_to_the_limit_passes(self, n_quarantined):
        table = manifest(ok=10 - n_quarantined, quarantined=n_quarantined)
        assert look("quarantine_below_limit", image_manifest=table).passed

    def test_above_the_limit_fails_with_both_shares(self):
        found = look("quarantine_below_limit", image_manifest=manifest(ok=8, quarantined=2))
        assert not found.passed
        assert found.description == "20.0% of the photos are quarantined; the limit is 10.0%."

    def test_an_empty_folder_has_no_quarantined_photo(self):
        found = look("quarantine_below_limit", image_manifest=manifest())
        assert found.passed
        assert found.description.startswith("0.0% of the photos")

    @settings(max_examples=15)
    @given(st.integers(0, 9), st.integers(0, 9), st.floats(0, 1))
    def test_it_fails_where_the_run_is_stopped(self, ok, quarantined, limit):
        table = manifest(ok=ok, quarantined=quarantined)
        try:
            check_quarantine(table, limit=limit)
            stopped = False
        except TooManyQuarantinedError:
            stopped = True
        config = Config(data=DataConfig(max_quarantined_fraction=limit))
        passed = look("quarantine_below_limit", config, image_manifest=table).passed
        assert passed is not stopped

    def test_labels_pass_and_a_negative_mass_fails(self):
        assert look("labels_are_well_formed", label_table=labels()).passed
        table = labels()
        table.loc[3, "mass_g"] = -1.0
        found = look("labels_are_well_formed", label_table=table)
        assert not found.passed
        assert "column mass_g has 1 negative cell(s)" in found.description

    def test_sums_warn_when_slightly_off_and_block_when_grossly(self):
        data = DataConfig(
            targets=(TargetConfig(name="a_g"), TargetConfig(name="b_g")),
            identities={"b_g": ("a_g",)},
        )
        table = pd.DataFrame({"image_id": ["p", "q"], "a_g": [10.0, 20.0], "b_g": [10.0, 20.0]})
        config = Config(data=data)
        assert look("label_sums_hold", config, label_table=table).passed
        table.loc[0, "b_g"] = 10.3
        slight = look("label_sums_hold", config, label_table=table)
        assert (slight.passed, slight.severity) == (False, WARN)
        table.loc[0, "b_g"] = 30.0
        gross = look("label_sums_hold", config, label_table=table)
        assert (gross.passed, gross.severity) == (False, ERROR)

    def test_plausible_labels_pass_and_a_misplaced_decimal_point_warns(self):
        assert look("labels_are_plausible", label_table=labels()).passed
        table = labels()
        table.loc[7, "mass_g"] *= 20
        found = look("labels_are_plausible", label_table=table)
        assert not found.passed
        assert found.severity == WARN
        assert "p07" in found.description


class TestFolds:
    def test_whole_groups_pass(self):
        found = look("no_group_straddles_folds", fold_assignment=folds())
        assert found.passed
        assert found.description == "0 of 6 groups are in more than one fold."

    def test_a_straddling_group_fails_and_is_named(self):
        table = folds()
        table.loc[0, "fold"] = 1
        found = look("no_group_straddles_folds", fold_assignment=table)
        assert not found.passed
        assert found.description == "1 of 6 groups are in more than one fold."
        assert "g0" in found.metadata["cases"].value

    def test_each_photo_is_in_one_fold(self):
        assert look("folds_are_well_formed", fold_assignment=folds()).passed
        double = pd.concat([folds(), folds().iloc[[2]]])
        assert (
            "there twice: p02" in look("folds_are_well_formed", fold_assignment=double).description
        )

    def test_balanced_folds_pass_and_an_empty_one_warns(self):
        given = {"label_table": labels()}
        assert look("folds_are_balanced", fold_assignment=folds(), **given).passed
        found = look("folds_are_balanced", fold_assignment=folds().assign(fold=0), **given)
        assert not found.passed
        assert found.severity == WARN
        assert "Fold 1 is empty" in found.description

    def both_sides(self, photos):
        return look("no_photo_is_on_both_sides", fold_assignment=folds(), image_manifest=photos)

    def test_different_photos_pass(self):
        found = self.both_sides(manifest(ok=24))
        assert found.passed
        assert found.description == "None of 24 photos looks like one of another group."

    def test_the_same_bytes_in_two_groups_block_and_are_named(self):
        photos = manifest(ok=24)
        photos.loc[9, ["sha256", "perceptual_hash"]] = photos.loc[2, ["sha256", "perceptual_hash"]]
        found = self.both_sides(photos)
        assert (found.passed, found.severity) == (False, ERROR)
        assert "1 pair(s) of photos in different groups show the same picture: p02 and p09." in (
            found.description
        )
        assert "`data.group_columns`" in found.description

    @pytest.mark.parametrize(("bits", "severity"), [(0b111, ERROR), (0b111111, WARN)])
    def test_nearly_the_same_picture_blocks_if_it_is_certain_and_warns_if_likely(
        self, bits, severity
    ):
        photos = manifest(ok=24)
        other = int(photos.loc[2, "perceptual_hash"], 16) ^ bits
        photos.loc[9, "perceptual_hash"] = f"{other:016x}"
        found = self.both_sides(photos)
        assert (found.passed, found.severity) == (False, severity)

    def test_the_same_picture_in_one_group_passes(self):
        photos = manifest(ok=24)
        photos.loc[3, "perceptual_hash"] = photos.loc[2, "perceptual_hash"]
        assert self.both_sides(photos).passed

    def test_what_is_quarantined_is_on_no_side(self):
        photos = manifest(ok=24)
        photos.loc[9, "perceptual_hash"] = photos.loc[2, "perceptual_hash"]
        photos.loc[9, "status"] = "quarantined"
        assert self.both_sides(photos).passed


class TestLeaks:
    def tables(self, *, leaking):
        """Photos of six sessions in three folds, and one feature that may be the mass itself."""
        chance = np.random.default_rng(0)
        table = folds(n_folds=3)
        mass = chance.gamma(4.0, 5.0, len(table))
        rows = table.assign(target="mass_g", y_true=mass)
        said = {"constant": mass.mean(), "mil": mass + chance.normal(0, 3, len(table))}
        oof = pd.concat([rows.assign(model=m, y_pred=y) for m, y in said.items()])
        features = chance.normal(0, 1, (len(table), 3))
        features[:, 1] = mass / 10 if leaking else features[:, 1]
        held = {
            int(fold): MemoryCache("f", feature_set(part["image_id"], features[part.index]))
            for fold, part in table.groupby("fold")
        }
        return {"oof_predictions": oof, "feature_cache": held}

    def test_nothing_suspicious_passes_and_says_what_was_looked_at(self):
        found = look("no_leak_is_suspected", **self.tables(leaking=False))
        assert found.passed, found.description
        assert found.description == "None of 6 alarms is raised."
        assert {"below_floor", "leaking_feature", "twins_across_folds"} < set(found.metadata)

    def test_a_feature_that_is_the_mass_is_a_warning_with_the_next_step(self):
        found = look("no_leak_is_suspected", **self.tables(leaking=True))
        assert not found.passed
        assert found.severity == WARN
        assert "Feature 1 alone correlates" in found.description
        assert "To do: find out what this feature is" in found.description


class TestHeldOut:
    labels = pd.DataFrame({"image_id": ["a", "b", "c"]})

    @pytest.fixture
    def oof(self):
        rows = [(image, "mass_g", model) for model in MODELS for image in self.labels["image_id"]]
        table = pd.DataFrame(rows, columns=["image_id", "target", "model"])
        numbers = {"y_true": 5.0, "y_pred": 6.0, "p_zero": 0.0, "ood_percentile": 50.0}
        numbers |= {"y_lower": 2.0, "y_upper": 9.0, "y_lower_80": 3.0, "y_upper_80": 8.0}
        numbers |= {"y_lower_50": 4.0, "y_upper_50": 7.0}
        return table.assign(fold=0, group="g", **numbers)

    def found(self, oof):
        return look("each_photo_is_predicted_once", oof_predictions=oof, label_table=self.labels)

    def test_each_once_passes(self, oof):
        found = self.found(oof)
        assert found.passed
        assert found.description == (
            "3 of 3 labelled photos are predicted; every model and target has 3 to 3 predictions."
        )

    def test_a_photo_that_one_model_misses_fails(self, oof):
        found = self.found(oof.drop(index=1))
        assert not found.passed
        assert "every model and target has 2 to 3 predictions" in found.description

    def test_a_photo_predicted_twice_fails(self, oof):
        assert not self.found(pd.concat([oof, oof.iloc[[0]]])).passed

    def test_one_photo_twice_in_place_of_another_fails(self, oof):
        assert not self.found(oof.replace({"image_id": {"b": "a"}})).passed

    def test_a_quarantined_photo_may_be_missing_from_all(self, oof):
        found = self.found(oof[oof["image_id"] != "b"])
        assert found.passed
        assert found.description.startswith("2 of 3 labelled photos are predicted")

    def test_a_stranger_in_place_of_a_photo_fails(self, oof):
        assert not self.found(oof.replace({"image_id": {"b": "z"}})).passed

    def test_no_predictions_at_all_fail(self, oof):
        assert not self.found(oof.iloc[:0]).passed

    def test_finite_predictions_with_nested_bounds_pass(self, oof):
        assert look("predictions_are_well_formed", oof_predictions=oof).passed

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"y_pred": np.nan}, "column y_pred has 15 cell(s) that are no finite number"),
            ({"y_lower_80": 4.5}, "15 of 15 rows have bounds that cross or are not nested"),
        ],
    )
    def test_others_fail(self, oof, change, words):
        found = look("predictions_are_well_formed", oof_predictions=oof.assign(**change))
        assert not found.passed
        assert words in found.description

    def test_predicted_sums_pass_where_they_are_exact_and_block_where_not(self):
        targets = (TargetConfig(name="a_g"), TargetConfig(name="b_g"), TargetConfig(name="t_g"))
        data = DataConfig(targets=targets, identities={"t_g": ("a_g", "b_g")})
        table = pd.DataFrame(
            {
                "model": "mil",
                "image_id": "p",
                "target": ["a_g", "b_g", "t_g"],
                "y_pred": [1.0, 2.0, 3.0],
            }
        )
        config = Config(data=data)
        assert look("predicted_sums_hold", config, oof_predictions=table).passed
        assert look("new_sums_hold", config, predictions=table.drop(columns="model")).passed
        off = table.assign(y_pred=[1.0, 2.0, 3.1])
        assert not look("predicted_sums_hold", config, oof_predictions=off).passed
        assert not look("new_sums_hold", config, predictions=off.drop(columns="model")).passed


class TestScores:
    def metrics(self, *, r2=0.7, lower=0.2, coverage=0.9):
        pair = {"model": "auto", "against": "constant", "difference": 0.3, "n_groups": 24}
        found = {"weighted_r2": r2, "weighted_r2_interval": [r2 - 0.1, r2 + 0.1]}
        return {
            "headline_model": "auto",
            "n_groups": 24,
            "comparisons": [pair | {"lower": lower, "upper": 0.5}],
            "models": {"auto": found | {"intervals": {"90": {"group_coverage": coverage}}}},
        }

    def test_over_the_floor_passes_and_not_surely_so_warns(self):
        assert look("model_beats_the_floor", evaluation=self.metrics()).passed
        found = look("model_beats_the_floor", evaluation=self.metrics(lower=-0.1))
        assert (found.passed, found.severity) == (False, WARN)

    def test_coverage_near_its_promise_passes_and_far_from_it_warns(self):
        assert look("intervals_keep_their_promise", evaluation=self.metrics()).passed
        bad = self.metrics(coverage=0.5)
        found = look("intervals_keep_their_promise", evaluation=bad)
        assert (found.passed, found.severity) == (False, WARN)

    def test_a_score_is_compared_with_the_one_before(self):
        past = [{"headline_model": "auto", "weighted_r2": 0.7, "weighted_r2_lower": 0.6}]
        name = "score_holds_against_last_time"
        assert look(name, evaluation=self.metrics(r2=0.65), past=past).passed
        found = look(name, evaluation=self.metrics(r2=0.55), past=past)
        assert (found.passed, found.severity) == (False, WARN)
        assert "after 0.700 (auto), whose 95 % interval begins at 0.600" in found.description


class TestNewcomers:
    names = ("p24", "p25", "p26")

    def predictions(self, **change):
        numbers = {"y_pred": 6.0, "p_zero": 0.0, "ood_percentile": 50.0}
        numbers |= {"y_lower": 2.0, "y_upper": 9.0, "y_lower_80": 3.0, "y_upper_80": 8.0}
        numbers |= {"y_lower_50": 4.0, "y_upper_50": 7.0}
        table = pd.DataFrame({"image_id": list(self.names), "target": "mass_g"})
        return table.assign(**(numbers | change)).astype({"image_id": "str", "target": "str"})

    def photos(self):
        photos = manifest(ok=27)
        photos["labelled"] = ~photos["image_id"].isin(self.names)
        return photos

    def fresh(self, *, shift=0.0, refused=()):
        chance = np.random.default_rng(5)
        rows = shift + chance.normal(0, 1, (3, 5))
        return MemoryCache("f", feature_set(self.names, rows), refused)

    def test_usable_predictions_pass(self):
        assert look("predictions_are_usable", predictions=self.predictions()).passed

    def test_a_negative_prediction_blocks(self):
        found = look("predictions_are_usable", predictions=self.predictions(y_pred=-1.0))
        assert (found.passed, found.severity) == (False, ERROR)
        assert "column y_pred has 3 negative cell(s)" in found.description

    def complete(self, predictions, *, refused=()):
        return look(
            "each_new_photo_is_predicted",
            predictions=predictions,
            image_manifest=self.photos(),
            inference_features=self.fresh(refused=refused),
        )

    def test_every_new_photo_is_predicted(self):
        found = self.complete(self.predictions())
        assert found.passed
        assert found.description == "3 of 3 photos without labels are predicted, 0 were refused."

    def test_one_that_is_missing_fails_and_is_named(self):
        found = self.complete(self.predictions().iloc[1:])
        assert not found.passed
        assert "not so p24" in found.description

    def test_one_that_was_refused_may_be_missing(self):
        refused = (Quarantined("p24", "0" * 64, "p24.png", "truncated"),)
        assert self.complete(self.predictions().iloc[1:], refused=refused).passed

    def test_photos_from_the_domain_pass_and_others_warn(self):
        name = "new_photos_are_in_the_domain"
        assert look(name, predictions=self.predictions()).passed
        found = look(name, predictions=self.predictions(ood_percentile=99.0))
        assert (found.passed, found.severity) == (False, WARN)
        assert "3 of 3 photos without labels (100%)" in found.description

    def like(self, **how):
        table = folds(48)
        return look(
            "new_photos_are_like_known_ones",
            inference_features=self.fresh(**how),
            feature_cache=caches(table),
            fold_assignment=table,
            predictions=self.predictions(),
        )

    def test_photos_like_known_ones_pass_and_a_shift_warns(self):
        assert self.like().passed
        found = self.like(shift=40.0)
        assert (found.passed, found.severity) == (False, WARN)
        assert "12 known groups" in found.description
        assert "| feature |" in found.metadata["cases"].value

    def test_with_one_fold_missing_the_others_are_compared(self):
        table = folds(48)
        held = caches(table)
        del held[1]
        found = look(
            "new_photos_are_like_known_ones",
            inference_features=self.fresh(),
            feature_cache=held,
            fold_assignment=table,
        )
        assert "6 known groups" in found.description


# What each check measures, beside the number of cases: the UI draws it look after look.
NUMBERS = {
    "manifest_is_well_formed": {"rows"},
    "quarantine_below_limit": {"quarantined", "share", "limit"},
    "labels_are_well_formed": {"rows"},
    "label_sums_hold": {"sums", "widest_gap", "gross"},
    "labels_are_plausible": {"photos", "limit_sd"},
    "folds_are_well_formed": {"rows"},
    "no_group_straddles_folds": {"groups"},
    "no_photo_is_on_both_sides": {"photos", "certain_pairs"},
    "folds_are_balanced": {"fewest_photos", "most_photos"},
    "predictions_are_well_formed": {"rows"},
    "each_photo_is_predicted_once": {"predicted", "labelled"},
    "predicted_sums_hold": {"sums", "widest_gap"},
    "no_leak_is_suspected": {"below_floor", "twins_across_folds"},
    "model_beats_the_floor": {"difference", "groups", "lower", "upper"},
    "score_holds_against_last_time": {"r2", "earlier_r2", "earlier_lower"},
    "intervals_keep_their_promise": {"coverage_90"},
    "predictions_are_usable": {"rows"},
    "new_sums_hold": {"sums", "widest_gap"},
    "each_new_photo_is_predicted": {"predicted", "expected", "refused"},
    "new_photos_are_in_the_domain": {"photos", "share", "limit"},
    "new_photos_are_like_known_ones": {"p_value", "distance", "usual"},
}


class TestNumbers:
    """A check that passes says by how much: a share creeping up is seen before it fails."""

    data = DataConfig(
        targets=(TargetConfig(name="a_g"), TargetConfig(name="mass_g")),
        identities={"mass_g": ("a_g",)},
    )

    @pytest.fixture
    def given(self):
        table, newcomers = folds(48), TestNewcomers()
        known = labels(48).assign(a_g=lambda t: t["mass_g"])
        rows = [
            (image, target, model)
            for model in MODELS
            for image in known["image_id"]
            for target in ("a_g", "mass_g")
        ]
        oof = pd.DataFrame(rows, columns=["image_id", "target", "model"])
        oof = oof.merge(table, on="image_id").merge(known[["image_id", "mass_g"]], on="image_id")
        oof = oof.rename(columns={"mass_g": "y_true"}).assign(p_zero=0.0, ood_percentile=50.0)
        oof["y_pred"] = np.random.default_rng(1).normal(
            oof.groupby("model")["y_true"].transform("mean"), 1
        )
        oof["y_pred"] = oof.groupby(["model", "image_id"])["y_pred"].transform("first")
        for level, width in (("", 9.0), ("_80", 6.0), ("_50", 3.0)):
            oof[f"y_lower{level}"], oof[f"y_upper{level}"] = (
                oof["y_pred"] - width,
                oof["y_pred"] + width,
            )
        fresh = newcomers.predictions()
        return {
            "image_manifest": manifest(ok=48),
            "label_table": known,
            "fold_assignment": table,
            "oof_predictions": oof,
            "feature_cache": caches(table),
            "evaluation": TestScores().metrics(),
            "inference_features": newcomers.fresh(),
            "predictions": pd.concat([fresh, fresh.assign(target="a_g")], ignore_index=True),
            "past": [{"headline_model": "auto", "weighted_r2": 0.7, "weighted_r2_lower": 0.6}],
        }

    def test_every_check_has_some(self):
        assert {name.partition(".")[2] for name in CHECKS} == set(NUMBERS)

    @pytest.mark.parametrize("rule", rules_of(Config(data=data)), ids=lambda rule: rule.name)
    def test_they_are_its_metadata(self, rule, given):
        found = rule.result(given)
        numbers = {name for name, told in found.metadata.items() if name != "cases"}
        # The alarms have names of their own.
        assert numbers >= NUMBERS[rule.name] | {"n_cases"}
        assert numbers == NUMBERS[rule.name] | {"n_cases"} or rule.name == "no_leak_is_suspected"


def empty(table):
    return table.iloc[:0]


class TestNothingThere:
    """No check breaks on tables without a row, on a fold that is not there, or without history."""

    oof = TestHeldOut.oof

    @pytest.fixture
    def given(self):
        none = MemoryCache("f", feature_set((), np.empty((0, 5))))
        predictions = TestNewcomers().predictions()
        return {
            "image_manifest": empty(manifest(ok=1)),
            "label_table": empty(labels()),
            "fold_assignment": empty(folds()),
            "oof_predictions": empty(
                predictions.assign(model="mil", fold=0, group="g", y_true=1.0)
            ),
            "feature_cache": {},
            "evaluation": TestScores().metrics(),
            "inference_features": none,
            "predictions": empty(predictions),
            "past": [],
        }

    @pytest.mark.parametrize("rule", rules_of(CONFIG), ids=lambda rule: rule.name)
    def test_it_gives_a_sentence(self, rule, given):
        found = rule.result(given)
        assert found.description.endswith(".")
        missing = {"each_photo_is_predicted_once", "folds_are_balanced"}
        assert found.passed is (rule.name not in missing)

    @pytest.mark.parametrize("rule", rules_of(Config()), ids=lambda rule: rule.name)
    def test_nor_with_sums(self, rule, given):
        sums = dict.fromkeys(DataConfig().target_names, 0.0)
        given["label_table"] = given["label_table"].assign(**sums)
        assert rule.result(given).description

    @pytest.mark.parametrize("rule", rules_of(CONFIG), ids=lambda rule: rule.name)
    def test_nor_with_one_empty_fold(self, rule, given):
        table = folds(48)
        given |= {"fold_assignment": table, "label_table": labels(48)}
        given["feature_cache"] = caches(table) | {
            1: MemoryCache("f", feature_set((), np.empty((0, 5))))
        }
        given["inference_features"] = TestNewcomers().fresh()
        assert rule.result(given).description.endswith(".")


def test_what_is_evaluated_is_remembered_in_the_metadata():
    """Through Dagster: the second evaluation is compared with the first, and a drop is told."""
    given = {"r2": 0.7}

    @dg.asset
    def evaluation():
        metrics = TestScores().metrics(**given)
        return dg.MaterializeResult(value=metrics, metadata=standing(metrics))

    checks = [
        check
        for check in build_checks(CONFIG)
        if {spec.asset_key for spec in check.check_specs} == {evaluation.key}
    ]
    assert len(checks) == 1

    def said(instance):
        result = dg.materialize(
            [evaluation, *checks],
            instance=instance,
            resources={"io_manager": dg.mem_io_manager},
        )
        return {e.check_name: e for e in result.get_asset_check_evaluations()}

    with dg.DagsterInstance.ephemeral() as instance:
        first = said(instance)["score_holds_against_last_time"]
        assert first.description == "R2 0.700; there is no earlier one to compare."
        given["r2"] = 0.55
        second = said(instance)["score_holds_against_last_time"]
        assert not second.passed
        assert second.severity == WARN


def test_predictions_are_to_be_no_older_than_a_month():
    policy = graph().get(dg.AssetKey("predictions")).freshness_policy
    assert policy == dg.FreshnessPolicy.time_window(
        fail_window=timedelta(days=31), warn_window=timedelta(days=8)
    )
