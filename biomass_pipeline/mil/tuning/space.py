"""The search space: which fields of `training` are searched, and how values become settings."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ValidationError

from biomass_pipeline.config import SearchConfig, TrainingConfig
from biomass_pipeline.errors import SearchSpaceError

if TYPE_CHECKING:
    from optuna.trial import Trial

RIDGE = "ridge"

# They decide which photos a trial is scored on, how often, or by whom, and not how well it learns:
# trials that differ in one of them could not be compared.
_NO_SETTING_OF_A_TRIAL = ("model", "inner_fraction", "seed", "n_seeds")


class UnusableSettingsError(ValueError):
    """Values that are each possible are not possible together; a trial says so and is pruned."""


@dataclass(frozen=True)
class Space:
    """A checked search space around the configured settings.

    Attributes:
        training: The configured settings: the first trial, and what is not searched.
        dimensions: A range or choices by dotted field of `training`, such as `ridge.clip`.
    """

    training: TrainingConfig
    dimensions: Mapping[str, SearchConfig]

    @classmethod
    def of(cls, training: TrainingConfig, dimensions: Mapping[str, SearchConfig]) -> Self:
        """Check every field and value before anything is trained.

        Raises:
            SearchSpaceError: A field is unknown or decides nothing here, or a value cannot be.
        """
        space = cls(training, dimensions)
        problems = list(space._problems())
        if problems:
            raise SearchSpaceError(problems)
        return space

    @property
    def searches_ridge(self) -> bool:
        """Whether trials are scored by the ridge, as configured, and not by a network."""
        return self.training.model == RIDGE

    def suggest(self, trial: "Trial", *, fields: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask a trial for a value of every field, or of the given ones, in the space's order."""
        return {
            field: self._suggest(trial, field)
            for field in self.dimensions
            if fields is None or field in fields
        }

    def settings(self, values: Mapping[str, Any]) -> TrainingConfig:
        """The configured settings with some values replaced.

        Args:
            values: By dotted field.

        Raises:
            UnusableSettingsError: They do not go together.
        """
        plain = self.training.model_dump(mode="json")
        for field, value in values.items():
            *sections, key = field.split(".")
            section = plain
            for name in sections:
                section = section[name]
            section[key] = value
        try:
            return TrainingConfig.model_validate(plain)
        except ValidationError as error:
            raise UnusableSettingsError("; ".join(map(_said, error.errors()))) from None

    def configured(self) -> dict[str, Any]:
        """What is configured for the searched fields, as plain values."""
        return {field: self._configured(field) for field in self.dimensions}

    def configured_within(self) -> dict[str, Any]:
        """The configured values that a trial could have been given, as it would be given them.

        A configured value may lie outside of its range or choices. The first trial has it all the
        same; the sampler is told of the other fields only.
        """
        found = {field: self._given(field) for field in self.dimensions}
        return {field: value for field, value in found.items() if value is not None}

    def decides(self) -> dict[str, Any]:
        """What trials have in common: settings that are not searched, and the kinds of dimensions.

        Ranges are left out: a study goes on when one is widened. Choices and scales are in,
        because a study cannot change them.
        """
        training = self.training
        plain = dict(
            training.decides_ridge() if self.searches_ridge else training.decides_network()
        )
        for field in self.dimensions:
            *sections, key = field.split(".")
            section: dict[str, Any] = plain
            for name in sections:
                section = section[name]
            section.pop(key)
        kinds = {
            field: list(one.choices) or ("log" if one.log else "linear")
            for field, one in self.dimensions.items()
        }
        return {"settings": plain | {"n_seeds": None}, "dimensions": kinds}

    def _suggest(self, trial: "Trial", field: str) -> Any:  # noqa: ANN401  # whatever the field is
        one = self.dimensions[field]
        if one.low is None or one.high is None:
            return trial.suggest_categorical(field, list(one.choices))
        if _annotation(field) is int:
            return trial.suggest_int(field, int(one.low), int(one.high), log=one.log)
        return trial.suggest_float(field, one.low, one.high, log=one.log)

    def _configured(self, field: str) -> Any:  # noqa: ANN401  # whatever the field is
        value: Any = self.training.model_dump(mode="json")
        for name in field.split("."):
            value = value[name]
        return value

    def _given(self, field: str) -> Any:  # noqa: ANN401  # a choice or a number; None if outside
        one, configured = self.dimensions[field], self._configured(field)
        if one.low is None or one.high is None:
            same = (choice for choice in one.choices if self._reads(field, choice) == configured)
            return next(same, None)
        is_number = isinstance(configured, (int, float))
        return configured if is_number and one.low <= configured <= one.high else None

    def _reads(self, field: str, value: object) -> Any:  # noqa: ANN401  # whatever the field is
        """A value as the settings hold it: the loss `huber` is a mixture of one there."""
        try:
            settings = self.settings({field: value})
        except UnusableSettingsError:
            return value
        return Space(settings, {field: self.dimensions[field]}).configured()[field]

    def _problems(self) -> Iterator[str]:
        if not self.dimensions:
            yield "there is no field to search"
        known = [name for name in _fields() if self._counts(name)]
        for field, one in self.dimensions.items():
            if field not in known:
                yield self._unknown(field, known)
                continue
            problem = self._value_problem(field, one)
            if problem:
                yield f"`{field}`: {problem}"

    def _counts(self, field: str) -> bool:
        """Whether a trial's score depends on a field."""
        is_ridge = field.startswith(f"{RIDGE}.")
        return field not in _NO_SETTING_OF_A_TRIAL and is_ridge == self.searches_ridge

    def _unknown(self, field: str, known: list[str]) -> str:
        if field in _NO_SETTING_OF_A_TRIAL:
            return f"`{field}` is the same in all trials, or they could not be compared"
        if field in _fields():
            scored = "the ridge" if self.searches_ridge else "a network"
            model = self.training.model
            return f"`{field}` decides nothing: under `training.model: {model}` trials are {scored}"
        near = difflib.get_close_matches(field, known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(known)}"
        return f"`{field}` is no field of `training`; {hint}"

    def _value_problem(self, field: str, one: SearchConfig) -> str | None:
        """Why a choice, or an end or the middle of a range, cannot be; None if all can."""
        if one.low is None or one.high is None:
            values: tuple[Any, ...] = one.choices
        elif not (isfinite(one.low) and isfinite(one.high)):
            return "a range has finite ends"
        elif _annotation(field) is int:
            values = (one.low, one.high)
        else:
            values = (one.low, (one.low + one.high) / 2, one.high)
        return next(filter(None, (self._refusal(field, value) for value in values)), None)

    def _refusal(self, field: str, value: object) -> str | None:
        """What a field has against a value, whatever the other fields are."""
        *sections, key = field.split(".")
        for name in reversed(sections):
            key, value = name, {key: value}
        try:
            TrainingConfig.model_validate({key: value})
        except ValidationError as error:
            # Errors of several fields together belong to no field; trials will tell.
            said = [_said(item) for item in error.errors() if item["loc"]]
            return said[0] if said else None
        return None


def _said(item: Mapping[str, Any]) -> str:
    message = str(item["msg"]).removeprefix("Value error, ")
    return f"{message} (found {item['input']!r})" if item["loc"] else message


def _fields(model: type[BaseModel] = TrainingConfig, prefix: str = "") -> list[str]:
    """All dotted fields that hold a value and not a section."""
    names: list[str] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += _fields(kind, f"{prefix}{name}.")
        else:
            names.append(f"{prefix}{name}")
    return names


def _annotation(field: str) -> Any:  # noqa: ANN401  # a type, or a union of them
    model: type[BaseModel] = TrainingConfig
    *sections, key = field.split(".")
    for name in sections:
        nested = model.model_fields[name].annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            model = nested
    return model.model_fields[key].annotation
