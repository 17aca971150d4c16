from dataclasses import replace

import pytest

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.reporting.headline import headline, unseen_groups, verdicts
from biomass_pipeline.reporting.scores import Contest, FoldChoice, GlobalScore, Scores

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
    (sentence,) = verdicts(scores(constant=0.2, ridge=0.8, mil=mil), data=CSIRO)

    assert sentence.startswith(words)
    assert "80" in sentence


def test_a_network_at_the_floor_has_learned_nothing():
    assert "learned nothing" in verdicts(scores(constant=0.2, ridge=0.8, mil=0.2), data=CSIRO)[-1]


def test_a_lone_model_gets_no_verdict():
    assert verdicts(scores(mil=0.8), data=CSIRO) == []


def contest(difference, p_value, *, effect=0.3, model="mil"):
    return Contest(
        model, "ridge", difference, difference - 0.04, difference + 0.04, p_value, effect
    )


def against_ridge(mil, found, *, model="mil"):
    all_scores = scores(ridge=0.8, **{model: mil})
    (sentence,) = verdicts(replace(all_scores, headline=model, contests=(found,)), data=CSIRO)
    return plain(sentence)


def test_a_clear_advantage_has_its_odds_and_size_in_plain_words():
    assert against_ridge(0.85, contest(0.05, 0.004)) == (
        "It beats the ridge baseline, which reaches 80 % from the same features. The difference is "
        "0.050 in R², 95 % interval 0.010 to 0.090; if both were equally good, the luck of which "
        "sessions were sampled would make one as large in 0.4 % of surveys (p = 0.0040). From "
        "session to session the effect is small (Cohen's d 0.30)."
    )


@pytest.mark.parametrize(
    ("difference", "p_value", "words"),
    [
        (0.05, 0.3, "It is ahead of the ridge baseline, which reaches 80 % from the same features"),
        (0.05, 0.3, "but by no more than chance explains"),
        (-0.05, 0.01, "The network does not beat the ridge baseline"),
        (-0.05, 0.01, "prefer the ridge"),
        (-0.05, 0.4, "too close to tell apart"),
        (0.0, 1.0, "it predicts the same"),
    ],
)
def test_what_chance_may_explain_is_not_sold_as_better(difference, p_value, words):
    assert words in against_ridge(0.8 + difference, contest(difference, p_value))


def test_models_that_predict_the_same_are_not_weighed_by_chance():
    same = Contest("auto", "ridge", 0.0, 0.0, 0.0, 1.0, 0.0)

    assert against_ridge(0.8, same, model="auto").endswith("it predicts the same.")


@pytest.mark.parametrize(
    ("effect", "word"),
    [(0.1, "negligible"), (-0.3, "small"), (0.6, "medium"), (1.2, "large")],
)
def test_an_effect_is_called_by_its_size(effect, word):
    assert f"the effect is {word}" in against_ridge(0.85, contest(0.05, 0.01, effect=effect))


def test_an_effect_that_is_not_known_is_not_mentioned():
    assert "effect" not in against_ridge(0.85, contest(0.05, 0.01, effect=None))


def test_a_single_group_is_judged_by_the_score_alone():
    found = Contest("mil", "ridge", 0.05, None, None, None, None)

    assert against_ridge(0.85, found).startswith("It beats the ridge baseline")


def test_another_model_than_the_network_is_called_by_its_name():
    assert headline(replace(scores(stack=0.8), headline="stack"), data=CSIRO).startswith(
        "The stack of network and ridge explains"
    )
    assert headline(replace(scores(xgb=0.8), headline="xgb"), data=CSIRO).startswith(
        "The model xgb explains"
    )


def test_the_ridge_is_not_held_against_itself():
    assert verdicts(replace(scores(ridge=0.8, mil=0.7), headline="ridge"), data=CSIRO) == []


def test_the_choice_is_told_by_fold():
    taken = ("stack", "stack", "ridge")
    choices = tuple(FoldChoice(str(fold), model, {}) for fold, model in enumerate(taken))
    chosen = replace(scores(auto=0.8), headline="auto", choices=choices)

    (sentence,) = verdicts(chosen, data=CSIRO)

    assert "the stack of both in 2, the ridge in 1 of 3 folds" in sentence
    assert "never on the photos it is scored on" in sentence
