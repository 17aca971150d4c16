"""What `training`, `evaluation` and `tuning` may say, and what of it decides which model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from biomass_pipeline.config import (
    AGGREGATORS,
    LOSSES,
    EvaluationConfig,
    SearchConfig,
    TrainingConfig,
    TuningConfig,
    load_config,
)
from biomass_pipeline.errors import ConfigError


class TestAggregator:
    @pytest.mark.parametrize("name", [*AGGREGATORS, "torchmil:TransMIL"])
    def test_those_that_exist_are_taken(self, name):
        assert TrainingConfig(aggregator=name).aggregator == name

    @pytest.mark.parametrize("name", ["gated-attention", "torchmil:", "torchmil:a b", "MEAN", ""])
    def test_any_other_is_refused_with_those_that_exist(self, name):
        with pytest.raises(ConfigError, match=r"gated_attention, .* or torchmil:NAME"):
            load_config(None, overrides=[f"training.aggregator='{name}'"])

    @pytest.mark.parametrize("name", ["map", "transmil", "torchmil:TransformerABMIL"])
    def test_heads_divide_the_width(self, name):
        assert TrainingConfig(aggregator=name, hidden_dim=12, n_heads=4)
        with pytest.raises(ValidationError, match="hidden_dim 14 is no multiple of n_heads 4"):
            TrainingConfig(aggregator=name, hidden_dim=14, n_heads=4)

    def test_those_without_heads_have_any_width(self):
        assert TrainingConfig(aggregator="mean", hidden_dim=7, n_heads=4).hidden_dim == 7


class TestLoss:
    @pytest.mark.parametrize("name", LOSSES)
    def test_a_name_is_a_mixture_that_holds_the_mean(self, name):
        """A hurdle's likelihood never stands alone."""
        mixture = TrainingConfig(loss=name).loss
        assert mixture[name] == 1.0
        assert set(mixture) - {name} == ({"huber"} if name in {"ziln", "gamma_hurdle"} else set())

    @given(st.dictionaries(st.sampled_from(LOSSES), st.floats(1e-6, 1e6), min_size=1))
    def test_weights_stay_as_they_are_said(self, weights):
        assert TrainingConfig(loss=weights).loss == weights

    @pytest.mark.parametrize(
        "loss",
        ["mse", {}, {"mse": 1.0}, *({"huber": w} for w in (0.0, -1.0, float("nan"), float("inf")))],
    )
    def test_what_is_no_loss_is_refused_with_those_there_are(self, loss):
        with pytest.raises(ValidationError, match="expected positive weights by name: huber, squ"):
            TrainingConfig(loss=loss)

    def test_a_name_and_its_mixture_decide_the_same_network(self):
        whole = TrainingConfig(loss={"ziln": 1.0, "huber": 5.0})
        assert TrainingConfig(loss="ziln").decides_network() == whole.decides_network()


class TestTweedie:
    @pytest.mark.parametrize("power", [1.01, 1.99, "learnt"])
    def test_a_power_lies_between_one_and_two_or_is_learnt(self, power):
        assert TrainingConfig(tweedie_power=power).tweedie_power == power

    @pytest.mark.parametrize("power", [1.0, 2.0, 1, 3, 0.5])
    def test_any_other_is_refused(self, power):
        with pytest.raises(ValidationError, match="between 1 and 2, both excluded"):
            TrainingConfig(tweedie_power=power)


class TestWhatDecides:
    ONLY_RIDGE = ("ridge",)
    BOTH = ("inner_fraction", "seed")
    NEITHER = ("model",)

    def test_every_field_decides_a_network_but_those_of_the_ridge_and_the_choice(self):
        fields = set(TrainingConfig.model_fields)
        decides = set(TrainingConfig().decides_network())
        assert decides == fields - {*self.ONLY_RIDGE, *self.NEITHER}

    def test_the_ridge_is_decided_by_its_section_and_the_inner_groups(self):
        assert set(TrainingConfig().decides_ridge()) == {*self.ONLY_RIDGE, *self.BOTH}


class TestLevels:
    @given(
        st.lists(st.floats(0.01, 0.99), max_size=4).map(tuple),
        st.floats(0.01, 0.99),
    )
    def test_they_rise_each_once_and_hold_the_headline(self, inner, headline):
        levels = EvaluationConfig(inner_levels=inner, interval_level=headline).levels
        assert list(levels) == sorted(set(levels))
        assert set(levels) == {*inner, headline}

    @pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 50.0])
    def test_a_level_is_between_none_and_all(self, level):
        with pytest.raises(ValidationError, match="inner_levels lie between 0 and 1"):
            EvaluationConfig(inner_levels=(0.5, level))


class TestSearch:
    @pytest.mark.parametrize(
        "said",
        [
            {},
            {"low": 1.0},
            {"high": 1.0},
            {"low": 2.0, "high": 1.0},
            {"low": 1.0, "high": 1.0},
            {"low": 1.0, "high": 2.0, "choices": (1,)},
        ],
    )
    def test_a_dimension_is_a_range_or_choices(self, said):
        with pytest.raises(ValidationError, match="either low < high, or choices"):
            SearchConfig(**said)

    @pytest.mark.parametrize("low", [0.0, -1.0])
    def test_orders_of_magnitude_start_above_zero(self, low):
        assert SearchConfig(low=low, high=1.0)
        with pytest.raises(ValidationError, match="a logarithmic range starts above 0"):
            SearchConfig(low=low, high=1.0, log=True)

    def test_a_space_comes_from_the_file_and_replaces_the_default(self, tmp_path):
        file = tmp_path / "biomass.yaml"
        file.write_text(
            "tuning: {space: {dropout: {low: 0.0, high: 0.5}, loss: {choices: [ziln, huber]}}}",
            encoding="utf-8",
        )
        space = load_config(file).tuning.space
        assert set(space) == {"dropout", "loss"}
        assert space["loss"].choices == ("ziln", "huber")

    def test_the_default_searches_fields_that_there_are(self):
        assert set(TuningConfig().space) <= set(TrainingConfig.model_fields)
