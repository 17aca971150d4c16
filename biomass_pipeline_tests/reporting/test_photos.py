import pandas as pd

from biomass_pipeline.reporting.photos import summarize_photos
from biomass_pipeline.reporting.table import MAX_ROWS


def manifest(*rows):
    columns = ["path", "status", "reason", "warning", "labelled"]
    return pd.DataFrame(rows, columns=columns).astype({"labelled": bool})


def test_photos_are_counted_by_what_became_of_them():
    summary = summarize_photos(
        manifest(
            ("a.jpg", "ok", "", "", True),
            ("b.jpg", "ok", "", "alpha flattened on white", False),
            ("c.jpg", "quarantined", "truncated", "", True),
            ("d.jpg", "quarantined", "label without photo", "", True),
        )
    )

    assert (summary.n_readable, summary.n_unlabelled, summary.n_quarantined) == (2, 1, 2)


def test_each_quarantined_path_stands_with_its_reason():
    summary = summarize_photos(
        manifest(("a.jpg", "ok", "", "", True), ("c.jpg", "quarantined", "truncated", "", True))
    )

    (row,) = summary.quarantine.rows
    assert (row.heads[0].text, row.cells) == ("c.jpg", ("truncated",))


def test_warnings_of_photos_that_are_used_are_listed_too():
    summary = summarize_photos(
        manifest(
            ("a.jpg", "ok", "", "alpha flattened on white", True),
            ("b.jpg", "ok", "", None, True),
        )
    )

    assert [row.heads[0].text for row in summary.warnings.rows] == ["a.jpg"]


def test_nothing_quarantined_is_an_empty_table():
    assert not summarize_photos(manifest(("a.jpg", "ok", "", "", True))).quarantine


def test_a_reason_that_is_missing_is_said_to_be_missing():
    summary = summarize_photos(manifest(("c.jpg", "quarantined", None, "", True)))

    assert summary.quarantine.rows[0].cells == ("not given",)


def test_a_long_quarantine_is_cut_and_counted():
    rows = [(f"{k}.jpg", "quarantined", "empty", "", True) for k in range(MAX_ROWS + 7)]

    summary = summarize_photos(manifest(*rows))

    assert len(summary.quarantine.rows) == MAX_ROWS
    assert summary.quarantine.left_out == 7
    assert summary.n_quarantined == MAX_ROWS + 7
