"""How predictions are judged and settings are searched."""

from typing import Literal, Self

from pydantic import Field, model_validator

from biomass_pipeline.config.data import Section


class ProtocolsConfig(Section):
    """Other ways to hold photos out, beside the folds: run by `biomass validate`."""

    group_seeds: int = Field(default=5, ge=0, description="Group k-fold, dealt this many times.")
    leave_out: tuple[str, ...] | Literal["auto"] = Field(
        default="auto",
        description="Columns whose values are left out in turn; auto: group columns but the date.",
    )
    forward_parts: int = Field(
        default=4, ge=0, description="Forward in time: dates cut in so many parts; 0: not at all."
    )
    random_seeds: int = Field(
        default=1, ge=0, description="Random k-fold, which is optimistic: to see by how much."
    )
    learning_curve: tuple[float, ...] = Field(
        default=(0.25, 0.5, 0.75), description="Shares of the training groups to learn from."
    )
    n_networks: int = Field(default=1, ge=1, description="Networks a split, averaged.")

    @model_validator(mode="after")
    def _shares_are_shares(self) -> Self:
        if any(not 0 < share < 1 for share in self.learning_curve):
            msg = "learning_curve holds shares between 0 and 1, both excluded"
            raise ValueError(msg)
        return self


class EvaluationConfig(Section):
    """How predictions are judged."""

    interval_level: float = Field(default=0.9, gt=0, lt=1, description="Wanted coverage.")
    inner_levels: tuple[float, ...] = Field(
        default=(0.5, 0.8), description="Levels of further intervals."
    )
    conformal: Literal["pooled", "one_per_group"] = Field(
        default="pooled",
        description="pooled: groups' residuals weighed alike; one_per_group: one drawn of each.",
    )
    n_draws: int = Field(
        default=200, ge=20, description="Draws that stand for a predictive distribution."
    )
    n_resamples: int = Field(default=2000, ge=100, description="Bootstrap draws of groups.")
    protocols: ProtocolsConfig = ProtocolsConfig()

    @model_validator(mode="after")
    def _levels_are_levels(self) -> Self:
        if any(not 0 < level < 1 for level in self.inner_levels):
            msg = "inner_levels lie between 0 and 1, both excluded"
            raise ValueError(msg)
        return self

    @property
    def levels(self) -> tuple[float, ...]:
        """All levels, rising, each once."""
        return tuple(sorted({*self.inner_levels, self.interval_level}))


class SearchConfig(Section):
    """One dimension of a search: a range of numbers, or choices."""

    low: float | None = Field(default=None, description="Smallest number.")
    high: float | None = Field(default=None, description="Largest number.")
    log: bool = Field(default=False, description="Search orders of magnitude.")
    choices: tuple[str | int | float | bool | None, ...] = Field(
        default=(), description="Instead of a range."
    )

    @model_validator(mode="after")
    def _it_is_one_or_the_other(self) -> Self:
        ranged = self.low is not None and self.high is not None and self.low < self.high
        if ranged == bool(self.choices):
            msg = "expected either low < high, or choices"
            raise ValueError(msg)
        if self.log and not (self.low or 0) > 0:
            msg = "a logarithmic range starts above 0"
            raise ValueError(msg)
        return self


SEARCH_SPACE = {
    "aggregator": SearchConfig(choices=("additive_density", "gated_attention", "mean+max+gem")),
    "loss": SearchConfig(choices=("huber", "squared_error", "ziln")),
    "hidden_dim": SearchConfig(choices=(32, 64, 128)),
    "learning_rate": SearchConfig(low=3e-4, high=1e-2, log=True),
    "weight_decay": SearchConfig(low=1e-3, high=1.0, log=True),
    "dropout": SearchConfig(low=0.0, high=0.6),
    "input_dropout": SearchConfig(low=0.0, high=0.4),
}


class TuningConfig(Section):
    """How settings of `training` are searched: run by `biomass tune`."""

    n_trials: int = Field(default=50, ge=1, description="Trials a study.")
    timeout_s: float | None = Field(default=None, gt=0, description="Stop a study after this.")
    storage: str | None = Field(
        default=None, description="SQLAlchemy URL, such as postgresql://; SQLite under the root."
    )
    sampler: Literal["tpe", "random"] = Field(default="tpe", description="Who proposes trials.")
    pruner: Literal["median", "none"] = Field(
        default="median", description="Whether hopeless trials are cut short."
    )
    inner_parts: int = Field(
        default=1, ge=1, description="Inner parts that a trial is scored on; more are steadier."
    )
    seed: int = Field(default=0, description="Of the sampler.")
    space: dict[str, SearchConfig] = Field(
        default=SEARCH_SPACE, description="Fields of `training`, each with low and high, or choices"
    )
