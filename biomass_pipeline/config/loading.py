"""Reading a configuration from YAML, variables and overrides; hashing what decides a result."""

import difflib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from biomass_pipeline.config.data import TargetConfig
from biomass_pipeline.config.sections import Config
from biomass_pipeline.errors import ConfigError, MissingInputError

ENVIRONMENT_PREFIX = "BIOMASS__"
CONFIG_VARIABLE = "BIOMASS_CONFIG"
DEFAULT_FILE = "biomass.yaml"
# PyYAML's own, and what Python raises in it: for a date of month 13, a number of 5000 digits, an
# explicit tag that does not fit, and brackets nested a thousand deep.
_NOT_YAML = (
    yaml.YAMLError,
    AttributeError,
    KeyError,
    IndexError,
    RecursionError,
    TypeError,
    ValueError,
)


def fingerprint(*parts: BaseModel | Mapping[str, Any] | Sequence[Any] | str | int) -> str:
    """Hash what decides a result into 16 hexadecimal digits.

    Equal content gives equal digits in every process: keys are sorted, models become JSON.
    """
    plain = [
        part.model_dump(mode="json") if isinstance(part, BaseModel) else part for part in parts
    ]
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_config(
    file: Path | None,
    *,
    overrides: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Config:
    """Read a YAML file, then apply `BIOMASS__SECTION__KEY` variables, then `section.key=value`.

    Args:
        file: The configuration; None means the defaults.
        overrides: Assignments such as `training.epochs=5`, values in YAML.
        environment: Variables to look at; none by default.

    Raises:
        MissingInputError: The file does not exist.
        ConfigError: It cannot be parsed, or a key or value is wrong.
    """
    source = str(file) if file else "the built-in configuration"
    content = _read_yaml(file) if file else {}
    for variable, value in sorted((environment or {}).items()):
        if variable.startswith(ENVIRONMENT_PREFIX):
            keys = variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
            _assign(content, keys, value, source=variable)
    for override in overrides:
        key, separator, value = override.partition("=")
        if not separator:
            raise ConfigError(f"--set {override}", ["expected section.key=value"])
        _assign(content, key.strip().split("."), value, source=f"--set {override}")
    return parse_config(content, source=source)


def parse_config(content: Mapping[str, Any], *, source: str) -> Config:
    """Validate the sections of a configuration.

    Args:
        content: As in the file.
        source: What to call it in an error.

    Raises:
        ConfigError: A key or value is wrong.
    """
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        raise ConfigError(source, [_sentence(item) for item in error.errors()]) from None


def find_config_file(given: Path | None = None) -> Path | None:
    """The file that is given, or in `BIOMASS_CONFIG`, or `biomass.yaml` here, or the demo's."""
    if given is not None:
        return given
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    places = (Path(DEFAULT_FILE), Path("data/demo") / DEFAULT_FILE)
    return next((place for place in places if place.exists()), None)


def _read_yaml(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise MissingInputError("configuration", str(file), option="--config")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigError(str(file), [f"it cannot be read: {error.strerror}"]) from None
    except _NOT_YAML as error:
        raise ConfigError(str(file), [f"it is not YAML: {error}"]) from None
    if not isinstance(content, dict):
        raise ConfigError(str(file), ["expected sections such as `data:` and `training:`"])
    return content


def _assign(content: dict[str, Any], keys: list[str], value: str, *, source: str) -> None:
    for key in keys[:-1]:
        content = content.setdefault(key, {})
        if not isinstance(content, dict):
            raise ConfigError(source, [f"`{key}` is a value, not a section"])
    try:
        content[keys[-1]] = yaml.safe_load(value)
    except _NOT_YAML as error:
        raise ConfigError(source, [f"the value is not YAML: {error}"]) from None


def _sentence(item: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] != "extra_forbidden":
        return f"`{where}`: {item['msg']} (found {item['input']!r})"
    *section, key = [str(part) for part in item["loc"]]
    near = difflib.get_close_matches(key, _known_keys(section), n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(_known_keys(section))}"
    return f"`{where}` is not a known key; {hint}"


def _known_keys(section: list[str]) -> list[str]:
    model: type[BaseModel] = Config
    for name in section:
        field = model.model_fields.get(name)
        nested = field.annotation if field else TargetConfig
        model = (
            nested if isinstance(nested, type) and issubclass(nested, BaseModel) else TargetConfig
        )
    return list(model.model_fields)
