"""The door by hand: versions follow content, and what is quarantined is said."""

from contextlib import contextmanager

import pandas as pd
import pytest

from biomass_pipeline.errors import TooManyQuarantinedError

CALL = "call"


def version(result):
    return result.data_version.value


def test_the_manifest_reports_its_rows_and_what_is_quarantined(stand):
    stand.photos.files["broken.png"] = b""
    result = stand.manifest(how=CALL)
    metadata = result.metadata
    assert metadata["dagster/row_count"] == len(result.value) == 13
    assert metadata["labelled"] == 12
    assert metadata["quarantined"] == 1
    assert "| broken.png | " in metadata["quarantine"].value
    assert metadata["preview"].value.count("\n") == 15  # a head, a rule and fourteen columns
    columns = [column.name for column in metadata["dagster/column_schema"].columns]
    assert columns == list(result.value.columns)


@pytest.mark.parametrize("asset", ["manifest", "label_table", "folds"])
def test_equal_content_has_an_equal_version(stand, asset):
    assert version(getattr(stand, asset)(how=CALL)) == version(getattr(stand, asset)(how=CALL))


def test_another_photo_changes_the_manifest_and_no_label(stand, another_photo):
    manifest, labels = version(stand.manifest(how=CALL)), version(stand.label_table(how=CALL))
    stand.photos.files["s0n0.png"] = another_photo
    assert version(stand.manifest(how=CALL)) != manifest
    assert version(stand.label_table(how=CALL)) == labels


def test_another_label_changes_the_table_and_neither_manifest_nor_folds(stand):
    manifest, labels, folds = (
        stand.manifest(how=CALL),
        stand.label_table(how=CALL),
        stand.folds(how=CALL),
    )
    stand.labels.rows["s0n0.png"] = ("2024-05-01", 99.0)
    assert version(stand.manifest(how=CALL)) == version(manifest)
    assert version(stand.label_table(how=CALL)) != version(labels)
    assert version(stand.folds(how=CALL)) == version(folds)


def test_the_labels_show_groups_targets_and_warnings(stand):
    stand.labels.warnings = ("line 3: odd",)
    result = stand.label_table(how=CALL)
    assert result.metadata["groups"] == result.value["group"].nunique() == 6
    assert result.metadata["warnings"] == 1
    assert result.metadata["warning_list"].value == "- line 3: odd"
    assert "| mass_g |" in result.metadata["targets"].value


def test_too_many_quarantined_photos_stop_at_the_label_table(stand):
    for path in ("s0n0.png", "s1n0.png"):
        stand.photos.files[path] = b""
    assert stand.manifest(how=CALL).metadata["quarantined"] == 2
    with pytest.raises(TooManyQuarantinedError, match="2 of 12 photos and labels"):
        stand.label_table(how=CALL)


def test_folds_are_remembered_in_the_ledger(stand):
    before = stand.folds()
    stand.labels.rows["late.png"] = ("2024-06-01", 9.0)
    stand.photos.files["late.png"] = stand.photos.files["s3n0.png"] + b"later"
    after = stand.folds()
    kept = after[after["image_id"].isin(before["image_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, before)
    assert set(stand.ledger.kept["group"]) == set(after["group"])


def test_the_ledger_is_held_from_reading_to_writing(stand, monkeypatch):
    """Of two runs that deal at once, one would forget the groups of the other."""
    ledger, events = stand.ledger, []

    @contextmanager
    def held():
        events.append("held")
        yield
        events.append("free")

    monkeypatch.setattr(ledger, "held", held)
    monkeypatch.setattr(ledger, "read", lambda: events.append("read"))
    monkeypatch.setattr(ledger, "write", lambda _: events.append("write"))
    stand.folds()
    assert events == ["held", "read", "write", "free"]


def test_fold_sizes_are_shown(stand):
    shown = stand.folds(how=CALL).metadata["folds"].value.splitlines()
    assert shown[0] == "| fold | photos | groups | mean mass_g |"
    assert len(shown) == 2 + stand.config.folds.n_folds
