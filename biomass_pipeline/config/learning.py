"""How a fold is learnt: the network, its augmentation, the ridge, and which of them predicts."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from biomass_pipeline.config.data import Section

AGGREGATORS = (
    "gated_attention",
    "attention",
    "additive_density",
    "additive_attention",
    "mean",
    "max",
    "mean+max+gem",
    "map",
    "transmil",
)
LOSSES = ("huber", "squared_error", "ziln", "gamma_hurdle", "tweedie")

# These cut the width into heads of attention.
_HEADED = ("map", "transmil", "torchmil:TransformerABMIL")

# A hurdle's likelihood alone leaves the mean at the mercy of its spread: it comes with a Huber
# loss on the mean. A Tweedie's deviance is about its mean already.
_ALONE = {"ziln": {"ziln": 1.0, "huber": 5.0}, "gamma_hurdle": {"gamma_hurdle": 1.0, "huber": 5.0}}


def _is_weight(value: float) -> bool:
    return 0 < value < float("inf")  # nor NaN, which is neither


class AugmentationConfig(Section):
    """One augmentation of features (FroFA, Baer et al., CVPR 2024), drawn once a bag."""

    operation: Literal["brightness", "contrast", "posterize", "noise", "scale"] = Field(
        default="brightness", description="What is done to the features as if to an image."
    )
    variant: Literal["frofa", "cfrofa", "c2frofa"] = Field(
        default="c2frofa",
        description="frofa: one draw a bag; cfrofa: a draw a channel; c2frofa: a range as well.",
    )
    magnitude: float = Field(default=0.1, gt=0, description="How far a draw may go.")
    probability: float = Field(default=1.0, gt=0, le=1, description="Share of bags it is done to.")


class RidgeConfig(Section):
    """The linear model of pooled features: the baseline, and half of the default model."""

    poolings: tuple[Literal["mean", "max", "min", "gem", "std"], ...] = Field(
        default=("mean", "gem"), min_length=1, description="Over a photo's tiles, joined."
    )
    kernel: Literal["linear", "rbf", "gaussian_process"] = Field(
        default="linear", description="linear: ridge; rbf: kernel ridge; or a Gaussian process."
    )
    transforms: tuple[Literal["raw", "sqrt", "log1p"], ...] = Field(
        default=("raw", "sqrt"),
        min_length=1,
        description="Of the labels; the models' mean predicts.",
    )
    scaling: Literal["standard", "robust"] = Field(
        default="standard", description="Mean and sd, or median and interquartile range."
    )
    clip: float = Field(default=4.0, gt=0, description="Clip of scaled features.")
    relevances: tuple[float, ...] = Field(
        default=(0.0, 1.0),
        min_length=1,
        description=(
            "Powers of a feature's correlation with the labels in its weight, to choose from; "
            "0: all features alike."
        ),
    )
    alphas: tuple[float, ...] = Field(
        default=tuple(10.0 ** (k / 2) for k in range(-8, 5)),
        min_length=1,
        description="Penalties to choose from by inner group CV, of rows scaled to size 1.",
    )


class TrainingConfig(Section):
    """How a fold's models are trained, and which of them predicts."""

    model: Literal["auto", "mil", "ridge", "stack"] = Field(
        default="auto",
        description="Which predicts: mil, ridge, their stack, or auto: the best on inner groups.",
    )
    aggregator: str = Field(
        default="additive_density",
        description=f"Tiles to photo: {', '.join(AGGREGATORS)}, or torchmil:NAME.",
    )
    head: Literal["components", "independent", "total_share"] = Field(
        default="components",
        description=(
            "components: sums follow; independent: every target, then reconciled; "
            "total_share: the total, and its parts' shares."
        ),
    )
    loss: dict[str, float] = Field(
        default={"huber": 1.0},
        description=f"A name, or weights by name: {', '.join(LOSSES)}.",
    )
    covariates: tuple[str, ...] = Field(
        default=(), description="Label columns read beside the photo; `season` is made of the date."
    )
    covariate_dropout: float = Field(
        default=0.0, ge=0, lt=1, description="Share hidden in training; above 0 they may be absent."
    )
    hidden_dim: int = Field(default=128, ge=1, description="Width that features are projected to.")
    attention_dim: int = Field(default=64, ge=1, description="Width of an attention's gate.")
    n_queries: int = Field(default=1, ge=1, le=4, description="map: learned queries.")
    n_heads: int = Field(default=4, ge=1, description="transmil, map: heads of attention.")
    n_layers: int = Field(default=2, ge=1, description="transmil: layers.")
    dropout: float = Field(default=0.25, ge=0, lt=1, description="Dropout of projected features.")
    input_dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout of scaled features.")
    huber_delta: float = Field(
        default=1.0, gt=0, description="Where the square becomes linear, in sd of the target."
    )
    tweedie_power: float | Literal["learnt"] = Field(
        default=1.5, description="tweedie: between 1 and 2, or learnt."
    )
    epochs: int = Field(default=60, ge=1, description="At most; fewer if stopped early.")
    stopping: Literal["inner", "fixed"] = Field(
        default="inner", description="inner: at the best epoch on inner groups; fixed: at the last."
    )
    patience: int = Field(default=15, ge=1, description="Epochs without inner improvement.")
    inner_fraction: float = Field(
        default=0.2, gt=0, lt=1, description="Share of training groups kept to stop and calibrate."
    )
    batch_size: int = Field(default=16, ge=1, description="Bags a step.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Of AdamW.")
    warmup_epochs: int = Field(
        default=0, ge=0, description="Epochs in which the rate rises from a tenth."
    )
    weight_decay: float = Field(default=1e-2, ge=0, description="Of AdamW.")
    gradient_clip: float = Field(default=1.0, gt=0, description="Largest norm of the gradient.")
    averaging: Literal["none", "ema", "swa"] = Field(
        default="ema", description="Of weights: exponential, or over the last quarter."
    )
    ema_decay: float = Field(default=0.97, gt=0, lt=1, description="ema: a step's memory.")
    augmentation: tuple[AugmentationConfig, ...] = Field(
        default=(), description="Of features, in training only, one after another."
    )
    mixup: float = Field(
        default=0.0, ge=0, description="Beta parameter of bag mixup on losses; 0 switches it off."
    )
    feature_clip: float = Field(default=4.0, gt=0, description="Clip of scaled features, in sd.")
    feature_scaling: Literal["standard", "robust"] = Field(
        default="standard", description="Mean and sd, or median and interquartile range."
    )
    feature_relevance: float = Field(
        default=0.0,
        ge=0,
        description="Power of a feature's correlation with the labels in its weight; 0: all alike.",
    )
    reconciliation: Literal["metric", "mint"] = Field(
        default="metric",
        description="independent: weights of the metric, or of the inner residuals' covariance.",
    )
    n_seeds: int = Field(default=5, ge=1, description="Networks a fold, averaged.")
    seed: int = Field(default=0, ge=0, description="Of initial weights, dropout and shuffling.")
    deterministic: bool = Field(
        default=False, description="Refuse operations that differ from run to run on a GPU."
    )
    ridge: RidgeConfig = RidgeConfig()

    @field_validator("aggregator")
    @classmethod
    def _aggregator_is_known(cls, value: str) -> str:
        if value not in AGGREGATORS and not re.fullmatch(r"torchmil:\w+", value):
            msg = f"expected one of {', '.join(AGGREGATORS)}, or torchmil:NAME"
            raise ValueError(msg)
        return value

    @field_validator("loss", mode="before")
    @classmethod
    def _a_name_is_a_mixture(cls, value: object) -> object:
        return _ALONE.get(value, {value: 1.0}) if isinstance(value, str) else value

    @field_validator("loss")
    @classmethod
    def _losses_are_known(cls, value: dict[str, float]) -> dict[str, float]:
        if not value or not set(value) <= set(LOSSES) or not all(map(_is_weight, value.values())):
            msg = f"expected positive weights by name: {', '.join(LOSSES)}"
            raise ValueError(msg)
        return value

    @field_validator("tweedie_power")
    @classmethod
    def _power_is_between(cls, value: float | str) -> float | str:
        if isinstance(value, float) and not 1 < value < 2:  # noqa: PLR2004  # Tweedie's own bounds
            msg = "a Tweedie power lies between 1 and 2, both excluded"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> "TrainingConfig":
        if self.aggregator in _HEADED and self.hidden_dim % self.n_heads:
            msg = f"hidden_dim {self.hidden_dim} is no multiple of n_heads {self.n_heads}"
            raise ValueError(msg)
        return self

    def decides_network(self) -> Mapping[str, Any]:
        """What a network depends on: all but the ridge and which of the models predicts."""
        return self.model_dump(mode="json", exclude={"model", "ridge"})

    def decides_ridge(self) -> Mapping[str, Any]:
        """What the ridge depends on: its own section and how inner groups are dealt."""
        return self.model_dump(mode="json", include={"ridge", "inner_fraction", "seed"})
