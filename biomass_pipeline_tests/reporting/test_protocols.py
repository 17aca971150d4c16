import pytest

from biomass_pipeline.reporting.protocols import (
    curve_of,
    curve_sentence,
    gap_sentence,
    protocol_table,
    read_protocols,
)


def family(kind, models, **changes):
    return {
        "kind": kind,
        "optimistic": kind == "random",
        "n_repeats": 1,
        "n_images": 357,
        "missing": [],
        "remarks": [],
        "models": {name: {"weighted_r2": {"mean": r2, "sd": sd}} for name, r2, sd in models},
        **changes,
    }


def points(**curves):
    return [
        {"model": model, "n_train_groups": n, "mean": r2, "sd": None}
        for model, curve in curves.items()
        for n, r2 in curve
    ]


FOUND = {
    "protocols": {
        "group-k-fold-5": family(
            "grouped", [("mil", 0.8, 0.02), ("constant", 0.2, 0.01)], n_repeats=5
        ),
        "leave-out-State": family("leave-out", [("mil", 0.5, None), ("xgb", None, None)]),
        "forward-4": family("forward", [], missing=["forward-4"], remarks=["Too few dates."]),
        "random-5": family("random", [("mil", 0.9, None)]),
    },
    "random_minus_grouped": {"mil": 0.1},
    "learning_curve": points(mil=[(12.0, 0.7), (6.0, 0.5)], ridge=[(6.0, 0.6), (12.0, 0.605)]),
}


def test_each_protocol_that_ran_has_a_line_floor_first():
    table = protocol_table(read_protocols(FOUND))

    assert table.columns[2:] == ("Photos", "Constant floor", "MIL network", "xgb")
    assert [row.heads[1].text for row in table.rows] == [
        "new groups, 5 times",
        "a new State",
        "photos of known groups (optimistic)",
    ]
    assert table.rows[0].cells == ("357", "0.200 ± 0.010", "0.800 ± 0.020", "\u2013")
    assert table.rows[1].cells == ("357", "\u2013", "0.500", "\u2013")


def test_what_was_left_out_or_has_not_run_is_told():
    assert read_protocols(FOUND).remarks == (
        "forward-4: Too few dates.",
        "forward-4: 1 repeat(s) have not run yet.",
    )


def test_the_gap_is_read_in_words():
    protocols = read_protocols(FOUND)

    assert "promise 0.100 more R²" in gap_sentence(protocols, model="mil")
    assert "promise 0.100" in gap_sentence(protocols, model="auto")
    flat = read_protocols({**FOUND, "random_minus_grouped": {"mil": 0.004}})
    assert "score no higher" in gap_sentence(flat, model="mil")


@pytest.mark.parametrize(("model", "words"), [("mil", "still rises"), ("ridge", "hardly rises")])
def test_the_learning_curve_says_whether_more_groups_would_help(model, words):
    sentence = curve_sentence(read_protocols(FOUND), model=model)

    assert words in sentence
    assert "from 6 to 12 training groups" in sentence


def test_a_curve_is_in_the_order_of_groups_whatever_the_file():
    found = curve_of(read_protocols(FOUND), "mil")

    assert [point.n_train_groups for point in found] == [6, 12]


def test_nothing_run_is_nothing_to_say():
    nothing = read_protocols(None)

    assert not protocol_table(nothing)
    assert gap_sentence(nothing, model="mil") == ""
    assert curve_sentence(nothing, model="mil") == ""
