from biomass_pipeline.reporting.tuning import (
    best_table,
    read_tuning,
    tuning_figure,
    tuning_sentence,
)

FOUND = {
    "trials": [
        {"number": 0, "value": 0.7, "state": "complete"},
        {"number": 1, "value": 0.9, "state": "pruned"},
        {"number": 2, "value": 0.6, "state": "COMPLETE"},
        {"number": 3, "value": 0.8, "state": "complete"},
        {"number": 4, "value": None, "state": "fail"},
    ],
    "importance": {"dropout": 0.3, "loss": 0.7},
    "best": {"loss": "huber", "dropout": 0.25, "clip": None},
    "nested": {"r2": 0.82, "untuned_r2": 0.80},
}


def test_the_gain_is_that_on_groups_never_seen():
    sentence = tuning_sentence(read_tuning(FOUND))

    assert sentence.startswith("5 settings were tried")
    assert "reaches 0.820, untuned 0.800: tuning gains 0.020" in sentence


def test_no_gain_is_said_to_be_none():
    worse = {**FOUND, "nested": {"r2": 0.79, "untuned_r2": 0.80}}

    assert "tuning gains nothing: \u22120.010" in tuning_sentence(read_tuning(worse))


def test_the_best_of_many_is_no_estimate():
    assert "no estimate" in tuning_sentence(read_tuning({**FOUND, "nested": None}))


def test_the_history_shows_the_best_so_far_of_complete_trials(drawn):
    tuning_figure(read_tuning(FOUND))

    history, importance = drawn[0].axes
    complete, stopped, best = history.lines
    assert list(complete.get_ydata()) == [0.7, 0.6, 0.8]
    assert list(stopped.get_ydata()) == [0.9]
    assert list(best.get_ydata()) == [0.7, 0.7, 0.8]
    assert [text.get_text() for text in importance.get_yticklabels()] == ["dropout", "loss"]


def test_without_importance_there_is_one_panel_and_the_reason(drawn):
    few = {**FOUND, "importance": {}, "importance_reason": "10 completed trials are needed"}

    tuning_figure(read_tuning(few))

    assert len(drawn[0].axes) == 1
    assert "not known: 10 completed trials are needed" in best_table(read_tuning(few)).caption


def test_settings_stand_with_how_much_they_mattered():
    rows = best_table(read_tuning(FOUND)).rows

    assert [(row.heads[0].text, *row.cells) for row in rows] == [
        ("loss", "huber", "70\u00a0%"),
        ("dropout", "0.250", "30\u00a0%"),
        ("clip", "none", "\u2013"),
    ]


def test_no_study_is_no_tuning():
    assert read_tuning(None) is None
