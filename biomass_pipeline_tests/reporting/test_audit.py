import pandas as pd
import pytest

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.imaging import PhotoQuality
from biomass_pipeline.reporting import Album
from biomass_pipeline.reporting.audit import audit_data

DATA = DataConfig(
    targets=(TargetConfig(name="green"), TargetConfig(name="dead"), TargetConfig(name="all")),
    identities={"all": ("green", "dead")},
    group_columns=("paddock",),
)
# Hexadecimal hashes of which any two differ in half of their bits, turned or not.
HASHES = ["0123456789abcdef", "fedcba9876543210", "00ff0f3355aac369"]


@pytest.fixture
def labels():
    return pd.DataFrame(
        {
            "image_id": ["a", "b", "c"],
            "group": ["paddock=1", "paddock=1", "paddock=2"],
            "paddock": ["1", "1", "2"],
            "green": [1.0, 2.0, 3.0],
            "dead": [1.0, 1.0, 1.0],
            "all": [2.0, 3.0, 4.0],
        }
    )


def manifest(hashes):
    return pd.DataFrame({"image_id": list("abc"), "sha256": list("xyz"), "perceptual_hash": hashes})


def found(labels, hashes=("", "", ""), album=None):
    audits = audit_data(manifest(list(hashes)), labels, album or Album(), data=DATA)
    return {audit.title: audit for audit in audits}


def test_nothing_odd_is_said_to_be_nothing(labels):
    audits = found(labels)

    assert not any(audit.odd for audit in audits.values())
    assert "No two photos" in audits["Copies"].sentence
    assert "No total" in audits["Sums"].sentence


def test_copies_are_told_apart_by_whether_they_cross_groups(labels):
    audit = found(labels, [HASHES[2], HASHES[2], HASHES[2]])["Copies"]

    pairs = {tuple(head.text for head in row.heads): row.cells for row in audit.table.rows}
    assert audit.odd
    assert pairs["a", "b"][1] == "one"
    assert pairs["a", "c"] == ("0 of 64 bits differ", "two: a leak", "2.00")


def test_a_sum_that_is_off_is_named_with_its_gap(labels):
    labels.loc[1, "all"] = 3.5

    audit = found(labels)["Sums"]

    assert audit.odd
    assert [row.heads[0].text for row in audit.table.rows] == ["b"]
    assert audit.table.rows[0].cells == ("3.50", "3.00", "0.500")
    assert "In 1 cases" in audit.sentence


def test_faults_of_photos_and_photos_that_could_not_be_read_are_listed(labels):
    bad = PhotoQuality(1.0, lightness=0.5, burnt=0.0, black=0.0, border=0.2, stamped=False)
    album = Album(qualities={"a": bad}, unreadable={"b": "truncated"})

    audit = found(labels, album=album)["Blur, exposure, borders and stamps"]

    lines = [(row.heads[0].text, *row.cells) for row in audit.table.rows]
    assert lines == [
        ("a", "plain border", "20% of the area"),
        ("b", "could not be looked at", "truncated"),
    ]
    assert "2 of 2 photos" in audit.sentence


def test_without_labels_nothing_is_looked_for():
    assert audit_data(manifest(["", "", ""]), None, Album(), data=DATA) == []
