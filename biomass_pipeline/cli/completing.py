"""What Tab offers for a value: assets, configuration keys and their choices, words."""

import re
import typing
from collections.abc import Iterable, Iterator

# By stage, as the jobs run them; written out, since the graph is too slow to ask at a key press.
ASSETS = (
    *("image_manifest", "label_table", "fold_assignment"),
    *("patch_index", "feature_cache"),
    *("mil_checkpoint", "ridge_baseline", "fold_predictions"),
    *("protocol_predictions", "protocols", "tuning_study", "tuning"),
    *("oof_predictions", "evaluation", "report"),
    *("inference_features", "predictions", "submission"),
)


def complete_selection(incomplete: str) -> list[str]:
    """Assets for `--select`; what stands before the last name is kept."""
    before, last = re.fullmatch(r"(.*?)([A-Za-z_]*)", incomplete, re.DOTALL).groups()  # type: ignore[union-attr]  # matches anything
    return [f"{before}{name}" for name in ASSETS if name.startswith(last)]


def complete_assignment(incomplete: str) -> list[str]:
    """Keys for `--set`, and after `=` the values that a key is limited to."""
    from biomass_pipeline.config import Config  # noqa: PLC0415  # only a key press pays for it

    key, assigned, value = incomplete.partition("=")
    if not assigned:
        return [f"{name}=" for name in keys_of(Config) if name.startswith(key)]
    return [f"{key}={choice}" for choice in _choices(key) if choice.startswith(value)]


def complete_word(incomplete: str) -> list[str]:
    """Words for `explain`."""
    from biomass_pipeline.cli.glossary import glossary  # noqa: PLC0415  # as above

    return [entry.word for entry in glossary() if entry.word.startswith(incomplete)]


def complete_backbone(incomplete: str) -> list[str]:
    """Names for a backbone."""
    return [name for name in _backbones() if name.startswith(incomplete)]


def keys_of(model: typing.Any, path: str = "") -> Iterator[str]:  # noqa: ANN401  # a class of any section
    """Every field of a section and of the sections in it, with dots.

    Args:
        model: A pydantic model's class.
        path: What comes before.
    """
    for name, field in model.model_fields.items():
        if hasattr(field.annotation, "model_fields"):
            yield from keys_of(field.annotation, f"{path}{name}.")
        else:
            yield f"{path}{name}"


def _choices(key: str) -> Iterable[str]:
    if key == "backbone.name":
        return _backbones()
    annotation = _annotation(key)
    if annotation is bool:
        return ("true", "false")
    literal = typing.get_origin(annotation) is typing.Literal
    return [str(choice) for choice in typing.get_args(annotation)] if literal else ()


def _annotation(key: str) -> object:
    from biomass_pipeline.config import Config  # noqa: PLC0415  # as above

    model: typing.Any = Config
    for name in key.split("."):
        field = getattr(model, "model_fields", {}).get(name)
        model = None if field is None else field.annotation
    return model


def _backbones() -> list[str]:
    from biomass_pipeline.features.naming import NETWORKS  # noqa: PLC0415  # as above
    from biomass_pipeline.features.registry import available  # noqa: PLC0415  # as above

    return list(dict.fromkeys([*available(), *NETWORKS]))
