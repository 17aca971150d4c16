import pytest

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.reporting.headline import headline, unseen_groups, verdicts
from biomass_pipeline.reporting.scores import GlobalScore, Scores

CSIRO = DataConfig()


def scores(**r2):
    return Scores(
        n_images=10,
        n_groups=3,
        level=None,
        models={model: GlobalScore(value) for model, value in r2.items()},
        targets={},
        coverage={},
        breakdowns=(),
    )


def plain(text):
    return text.replace("\u00a0", " ")


def test_the_headline_gives_the_network_and_its_floor_in_plain_words():
    text = plain(headline(scores(constant=0.23, ridge=0.8, mil=0.87), data=CSIRO))

    assert text == (
        "The network explains 87 % of the variation in weighed biomass on sessions it never saw; "
        "the floor, a constant guess, is 23 %."
    )


def test_a_network_worse_than_the_mean_is_not_dressed_up():
    text = headline(scores(constant=0.23, mil=-0.12), data=CSIRO)

    assert "explains none of the variation" in text
    assert "R² \u22120.120" in text


def test_a_floor_at_zero_explains_nothing():
    assert "a constant guess, explains nothing" in headline(
        scores(constant=-0.01, mil=0.9), data=CSIRO
    )


def test_without_a_network_the_ridge_is_the_headline():
    assert headline(scores(constant=0.2, ridge=0.8), data=CSIRO).startswith("The ridge baseline")


def test_a_missing_floor_is_said_to_be_missing():
    assert headline(scores(mil=0.8), data=CSIRO).endswith("the floor is not known.")


@pytest.mark.parametrize("found", [scores(), scores(mil=None)])
def test_no_score_is_no_number(found):
    assert "cannot be scored" in headline(found, data=CSIRO)


@pytest.mark.parametrize(
    ("units", "words"),
    [(("fraction",), "measured t0"), (("g", "fraction"), "the measured targets")],
)
def test_what_is_not_grams_is_not_called_biomass(units, words):
    targets = tuple(TargetConfig(name=f"t{k}", unit=unit) for k, unit in enumerate(units))
    data = DataConfig(targets=targets, identities={})

    assert words in headline(scores(mil=0.5), data=data)


@pytest.mark.parametrize(
    ("columns", "word"),
    [(("State", "Sampling_Date"), "sessions"), (("plot",), "groups"), ((), "photos")],
)
def test_what_is_held_out_is_named(columns, word):
    assert unseen_groups(DataConfig(group_columns=columns)) == word


@pytest.mark.parametrize(
    ("mil", "words"),
    [
        (0.87, "It beats the ridge baseline"),
        (0.802, "It is level with the ridge baseline"),
        (0.8, "The network does not beat the ridge baseline"),
        (0.3, "The network does not beat the ridge baseline"),
    ],
)
def test_the_network_is_held_against_the_ridge(mil, words):
    (sentence,) = verdicts(scores(constant=0.2, ridge=0.8, mil=mil))

    assert sentence.startswith(words)
    assert "80" in sentence


def test_a_network_at_the_floor_has_learned_nothing():
    assert "learned nothing" in verdicts(scores(constant=0.2, ridge=0.8, mil=0.2))[-1]


def test_a_lone_model_gets_no_verdict():
    assert verdicts(scores(mil=0.8)) == []
