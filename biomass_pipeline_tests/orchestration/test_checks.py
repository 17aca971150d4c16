"""Each check passes where it should, and fails with a sentence that names what is wrong."""

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.errors import TooManyQuarantinedError
from biomass_pipeline.manifest import check_quarantine
from biomass_pipeline.orchestration.checks import build_checks
from biomass_pipeline.store import FeatureSet
from biomass_pipeline.store.memory import MemoryCache

MODELS = ("constant", "ridge", "mil", "stack", "auto")


def check(name, *tables, **data):
    found = {check.check_key.name: check for check in build_checks(DataConfig(**data))}
    return found[name](*tables)


def manifest(n_ok, n_quarantined):
    return pd.DataFrame({"status": ["ok"] * n_ok + ["quarantined"] * n_quarantined})


class TestQuarantine:
    @pytest.mark.parametrize("n_quarantined", [0, 1])
    def test_up_to_the_limit_passes(self, n_quarantined):
        table = manifest(10 - n_quarantined, n_quarantined)
        assert check("quarantine_below_limit", table, max_quarantined_fraction=0.1).passed

    def test_above_the_limit_fails_with_both_shares(self):
        found = check("quarantine_below_limit", manifest(8, 2), max_quarantined_fraction=0.1)
        assert not found.passed
        assert found.description == "20.0% of the photos are quarantined; the limit is 10.0%."

    def test_an_empty_folder_has_no_quarantined_photo(self):
        found = check("quarantine_below_limit", manifest(0, 0))
        assert found.passed
        assert found.description.startswith("0.0% of the photos")

    # Dagster's own check of a call costs a tenth of a second.
    @settings(max_examples=15)
    @given(st.integers(0, 9), st.integers(0, 9), st.floats(0, 1))
    def test_it_fails_where_the_run_is_stopped(self, n_ok, n_quarantined, limit):
        table = manifest(n_ok, n_quarantined).assign(reason="empty file")
        try:
            check_quarantine(table, limit=limit)
            stopped = False
        except TooManyQuarantinedError:
            stopped = True
        passed = check("quarantine_below_limit", table, max_quarantined_fraction=limit).passed
        assert passed is not stopped


class TestGroups:
    def folds(self, *rows):
        return pd.DataFrame(rows, columns=["image_id", "group", "fold"])

    def test_whole_groups_pass(self):
        table = self.folds(("a", "g", 0), ("b", "g", 0), ("c", "h", 1))
        found = check("no_group_straddles_folds", table)
        assert found.passed
        assert found.description == "0 of 2 groups are in more than one fold."

    def test_a_straddling_group_fails_and_is_named(self):
        table = self.folds(("a", "g", 0), ("b", "g", 1), ("c", "h", 1))
        found = check("no_group_straddles_folds", table)
        assert not found.passed
        assert found.description == "1 of 2 groups are in more than one fold."
        assert found.metadata["groups"].value == ["g"]


class TestLeaks:
    n_photos = 24

    def tables(self, *, leaking):
        """Photos of six sessions in three folds, and one feature that may be the mass itself."""
        chance = np.random.default_rng(0)
        mass = chance.gamma(4.0, 5.0, self.n_photos)
        rows = pd.DataFrame(
            {
                "image_id": [f"p{number:02d}" for number in range(self.n_photos)],
                "group": [f"g{number // 4}" for number in range(self.n_photos)],
                "fold": [number // 4 % 3 for number in range(self.n_photos)],
                "target": "mass_g",
                "y_true": mass,
            }
        )
        said = {"constant": mass.mean(), "mil": mass + chance.normal(0, 3, self.n_photos)}
        oof = pd.concat([rows.assign(model=m, y_pred=y) for m, y in said.items()])
        features = chance.normal(0, 1, (self.n_photos, 3))
        features[:, 1] = mass / 10 if leaking else features[:, 1]
        caches = {
            fold: MemoryCache("f", feature_set(members.index, features))
            for fold, members in rows.groupby("fold")
        }
        return oof, caches

    def found(self, **how):
        targets = (TargetConfig(name="mass_g"),)
        tables = self.tables(**how)
        return check("no_leak_is_suspected", *tables, targets=targets, identities={})

    def test_nothing_suspicious_passes_and_says_what_was_looked_at(self):
        found = self.found(leaking=False)
        assert found.passed, found.description
        assert found.description == "None of 6 alarms is raised."
        assert {"below_floor", "leaking_feature", "twins_across_folds"} < set(found.metadata)

    def test_a_feature_that_is_the_mass_is_a_warning_with_the_next_step(self):
        found = self.found(leaking=True)
        assert not found.passed
        assert found.severity == dg.AssetCheckSeverity.WARN
        assert "Feature 1 alone correlates" in found.description
        assert "To do: find out what this feature is" in found.description

    def test_it_never_blocks(self):
        (spec,) = [
            spec
            for check in build_checks(DataConfig())
            for spec in check.check_specs
            if spec.name == "no_leak_is_suspected"
        ]
        assert not spec.blocking


def feature_set(numbers, features):
    """One tile a photo."""
    n = len(numbers)
    return FeatureSet(
        features=features[numbers].astype(np.float16),
        coords=np.zeros((n, 2), np.int32),
        area_weight=np.ones(n, np.float32),
        image_ids=tuple(f"p{number:02d}" for number in numbers),
        image_sha256=tuple(f"{number:064x}" for number in numbers),
        offsets=np.arange(n + 1),
    )


class TestCoverage:
    labels = pd.DataFrame({"image_id": ["a", "b", "c"]})

    @pytest.fixture
    def oof(self):
        rows = [(image, "mass_g", model) for model in MODELS for image in self.labels["image_id"]]
        return pd.DataFrame(rows, columns=["image_id", "target", "model"])

    def found(self, oof):
        return check("each_photo_is_predicted_once", oof, self.labels)

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
