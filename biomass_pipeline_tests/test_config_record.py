"""What is written down of a configuration: all that may decide a score, and nothing else."""

import pytest

from biomass_pipeline.config import Config, differing, parse_config, recorded


def changed(**sections):
    return list(differing(recorded(Config()), recorded(parse_config(sections, source="test"))))


def test_equal_configurations_do_not_differ():
    assert changed() == []


@pytest.mark.parametrize(
    "sections",
    [
        {"name": "other"},
        {"root": "elsewhere"},
        {"compute": {"batch_size": 7}},
        {"imaging": {"stream_above_mpx": 1.0}},
        {"automation": {"interval_s": 7}},
        {"tuning": {"n_trials": 7}},
        {"data": {"images": "elsewhere", "labels": "other.csv"}},
    ],
    ids=lambda sections: next(iter(sections)),
)
def test_what_decides_no_score_is_not_in_it(sections):
    assert changed(**sections) == []


@pytest.mark.parametrize(
    ("sections", "difference"),
    [
        ({"training": {"epochs": 7}}, ("training.epochs", Config().training.epochs, 7)),
        ({"tiling": {"border": "even"}}, ("tiling.border", "clamped", "even")),
        ({"folds": {"seed": 1}}, ("folds.seed", 0, 1)),
        ({"cache": {"dtype": "float32"}}, ("cache.dtype", "float16", "float32")),
    ],
)
def test_what_may_decide_one_is_named_by_its_key(sections, difference):
    assert changed(**sections) == [difference]


def test_a_key_of_one_side_only_is_none_on_the_other():
    assert list(differing({"a": {"b": 1}}, {"a": {}, "c": 2})) == [
        ("a.b", 1, None),
        ("c", None, 2),
    ]
