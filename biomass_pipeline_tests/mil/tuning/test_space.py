import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import SearchConfig, TrainingConfig, TuningConfig
from biomass_pipeline.errors import SearchSpaceError
from biomass_pipeline.mil.tuning.space import Space, UnusableSettingsError

RIDGE = TrainingConfig(model="ridge")
RATE = SearchConfig(low=1e-4, high=1e-2, log=True)


def fixed(space, values):
    return space.suggest(optuna.trial.FixedTrial(values))


@given(
    rate=st.floats(1e-4, 1e-2),
    width=st.integers(8, 256),
    aggregator=st.sampled_from(["mean", "max"]),
)
def test_suggested_values_become_settings_and_nothing_else_changes(rate, width, aggregator):
    training = TrainingConfig(epochs=7)
    space = Space.of(
        training,
        {
            "learning_rate": RATE,
            "hidden_dim": SearchConfig(low=8, high=256),
            "aggregator": SearchConfig(choices=("mean", "max")),
        },
    )
    values = fixed(space, {"learning_rate": rate, "hidden_dim": width, "aggregator": aggregator})
    wanted = training.model_copy(
        update={"learning_rate": rate, "hidden_dim": width, "aggregator": aggregator}
    )
    assert space.settings(values) == wanted
    assert isinstance(values["hidden_dim"], int)


def test_a_dotted_field_changes_its_section_only():
    space = Space.of(RIDGE, {"ridge.clip": SearchConfig(low=1, high=9)})
    settings = space.settings({"ridge.clip": 2.5})
    assert settings.ridge.clip == 2.5
    assert settings.ridge.alphas == RIDGE.ridge.alphas


def test_every_default_dimension_can_be_searched():
    space = Space.of(TrainingConfig(), TuningConfig().space)
    assert space.configured_within().keys() == TuningConfig().space.keys()
    assert space.settings(space.configured()) == TrainingConfig()
    assert space.settings(space.configured_within()) == TrainingConfig()


@pytest.mark.parametrize(
    ("dimensions", "words"),
    [
        ({}, "there is no field to search"),
        ({"learning_rat": RATE}, "did you mean `learning_rate`"),
        ({"zzz": RATE}, "`zzz` is no field of `training`; known: aggregator, "),
        ({"ridge.clp": RATE}, "`ridge.clp` is no field"),
        ({"seed": SearchConfig(choices=(0, 1))}, "could not be compared"),
        ({"n_seeds": SearchConfig(low=1, high=5)}, "could not be compared"),
        ({"ridge.clip": RATE}, "under `training.model: auto` trials are a network"),
        ({"dropout": SearchConfig(low=0.0, high=1.0)}, "`dropout`: Input should be less than 1"),
        ({"dropout": SearchConfig(low=-0.1, high=0.5)}, "found -0.1"),
        ({"hidden_dim": SearchConfig(low=0.5, high=8)}, "valid integer"),
        ({"deterministic": SearchConfig(low=0, high=1)}, "valid boolean"),
        ({"aggregator": SearchConfig(low=0, high=1)}, "valid string"),
        ({"aggregator": SearchConfig(choices=("mean", "men"))}, "found 'men'"),
        ({"loss": SearchConfig(choices=("huber", "hubber"))}, "expected positive weights by name"),
        ({"learning_rate": SearchConfig(low=1e-3, high=float("inf"))}, "finite ends"),
        ({"augmentation": SearchConfig(choices=("noise",))}, "valid tuple"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_sentence(dimensions, words):
    with pytest.raises(SearchSpaceError) as caught:
        Space.of(TrainingConfig(), dimensions)
    assert words in str(caught.value)
    assert "Nothing was trained" in str(caught.value)


def test_all_problems_are_told_at_once():
    with pytest.raises(SearchSpaceError, match=r"learning_rat.*dropout"):
        Space.of(
            TrainingConfig(), {"learning_rat": RATE, "dropout": SearchConfig(choices=(0.1, 2))}
        )


def test_under_the_ridge_only_its_fields_count():
    with pytest.raises(SearchSpaceError, match=r"`training\.model: ridge` trials are the ridge"):
        Space.of(RIDGE, {"learning_rate": RATE})


def test_values_that_do_not_go_together_are_found_by_the_trial_not_at_the_door():
    space = Space.of(
        TrainingConfig(),
        {
            "aggregator": SearchConfig(choices=("mean", "map")),
            "hidden_dim": SearchConfig(choices=(30, 32)),
        },
    )
    assert space.settings({"aggregator": "mean", "hidden_dim": 30}).hidden_dim == 30
    with pytest.raises(UnusableSettingsError, match="30 is no multiple of n_heads 4"):
        space.settings({"aggregator": "map", "hidden_dim": 30})


def test_a_configured_value_outside_of_the_space_is_not_told_to_the_sampler():
    training = TrainingConfig(weight_decay=0.0, loss={"ziln": 1.0, "huber": 2.0})
    space = Space.of(training, TuningConfig().space)
    assert space.configured()["loss"] == {"ziln": 1.0, "huber": 2.0}
    assert space.settings(space.configured()) == training
    assert not {"weight_decay", "loss"} & space.configured_within().keys()


def test_a_configured_loss_is_found_among_the_choices_by_its_meaning():
    space = Space.of(TrainingConfig(loss="ziln"), TuningConfig().space)
    assert space.configured_within()["loss"] == "ziln"


def test_what_decides_trials_ignores_searched_settings_and_ranges_only():
    def decides(training=TrainingConfig(), **dimensions):  # noqa: B008  # frozen
        return Space.of(training, {"learning_rate": RATE} | dimensions).decides()

    assert decides() == decides(TrainingConfig(learning_rate=0.5, n_seeds=9))
    assert decides() == decides(learning_rate=SearchConfig(low=1e-5, high=1, log=True))
    assert decides() == decides(TrainingConfig(ridge={"clip": 2}))
    others = [
        decides(TrainingConfig(dropout=0.1)),
        decides(TrainingConfig(seed=1)),
        decides(TrainingConfig(inner_fraction=0.3)),
        decides(learning_rate=SearchConfig(low=1e-4, high=1e-2)),
        decides(learning_rate=SearchConfig(choices=(1e-4, 1e-2))),
        decides(dropout=SearchConfig(low=0, high=0.5)),
        Space.of(RIDGE, {"ridge.clip": RATE}).decides(),
    ]
    assert all(other != decides() for other in others)
