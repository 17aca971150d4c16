from biomass_pipeline.reporting import StageRecord
from biomass_pipeline.reporting.making import making_sentence, stage_table

DASH = "\N{EN DASH}"
RECORDS = [
    StageRecord("label_table", seconds=0.5),
    StageRecord("feature_cache", "0", 10.0, computed=3, reused=20),
    StageRecord("feature_cache", "1", 2.0, computed=0, reused=24),
    StageRecord("mil_checkpoint", "0"),
]


def test_folds_are_added_up_and_what_nobody_noted_is_a_dash():
    rows = {row.heads[0].text: row.cells for row in stage_table(RECORDS).rows}

    assert rows["feature_cache"] == ("2", "12.0", "3", "44")
    assert rows["label_table"] == ("1", "0.500", DASH, DASH)
    assert rows["mil_checkpoint"] == ("1", DASH, DASH, DASH)


def test_what_was_embedded_and_what_was_copied_is_said():
    assert "3 photos were embedded" in making_sentence(RECORDS)
    assert "features of 44 were copied" in making_sentence(RECORDS)


def test_without_records_nothing_is_said():
    assert making_sentence([]) == ""
    assert not stage_table([])
