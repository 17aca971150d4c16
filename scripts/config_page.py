"""Print docs/configuration.md from the models, so that the page cannot fall behind them."""

import typing
from collections.abc import Iterator

from pydantic import BaseModel

from biomass_pipeline.config import Config

HEAD = """# Configuration

One `biomass.yaml`, found by `--config`, then `BIOMASS_CONFIG`, then in the current folder. `biomass
init` writes one from your data. Relative paths start at its folder. Every field has a default; an
unknown key is refused with the nearest right name. A field can be overridden for one run by
`--set training.epochs=5` or `BIOMASS__TRAINING__EPOCHS=5`; the command line wins over the
environment, and that over the file.

| field | default | what |
|---|---|---|"""
TAIL = """
A target has `name`, `weight` (in the global R², by name), `unit` (`g` is also shown as kg DM/ha)
and `zero_below` (0.05 for grams, else 0). Identities name each sum with its parts:
`GDM_g: [Dry_Green_g, Dry_Clover_g]`.

`training.loss` is a name or a mixture: `{ziln: 1, huber: 5}`. A hurdle's name alone brings a Huber
loss on the mean with it. `training.augmentation` is a list of `operation` (brightness, contrast,
posterize, noise, scale), `variant` (frofa, cfrofa, c2frofa), `magnitude` and `probability`. Each
field in `tuning.space` has `low` and `high`, with `log: true` for orders of magnitude, or
`choices`.

What decides a result is part of a fingerprint; `compute` never is. `training` is read anew for
every run. The other sections are read when Dagster loads the code location: press *Reload
definitions* after an edit."""


def shown(value: object) -> str:
    """A default, short enough for a table."""
    if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        return "CSIRO's five targets"
    if isinstance(value, tuple):
        return f"[{', '.join(map(number, value))}]"
    if isinstance(value, dict):
        return shown_by_name(value)
    return (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )


def shown_by_name(value: dict[str, object]) -> str:
    """A mapping: weights with their names, the searched fields alone, or sums."""
    if all(isinstance(item, float) for item in value.values()):
        return f"{{{', '.join(f'{name}: {number(item)}' for name, item in value.items())}}}"
    if all(isinstance(item, BaseModel) for item in value.values()):
        return f"{{{', '.join(value)}}}"
    return "CSIRO's two sums"


def number(item: object) -> str:
    """One value, of a float four digits."""
    return f"{item:.4g}" if isinstance(item, float) else str(item)


def named(text: str, choices: object) -> bool:
    """Whether a description names all its choices."""
    return all(str(choice) in text for choice in typing.get_args(choices))


def row(path: str, field: object, default: object) -> str:
    """One field's line."""
    annotation = getattr(field, "annotation", None)
    # A choice that says itself what its values mean needs no list of them.
    text = getattr(field, "description", "")
    literal = typing.get_origin(annotation) is typing.Literal and not named(text, annotation)
    choices = f" ({' or '.join(map(str, typing.get_args(annotation)))})" if literal else ""
    return f"| `{path}` | `{shown(default)}` | {text}{choices} |"


def rows(section: BaseModel, *, path: str = "") -> Iterator[str]:
    """The lines of a section and of the sections in it."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from rows(value, path=f"{path}{name}.")
        else:
            yield row(f"{path}{name}", field, value)


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *rows(Config()), TAIL, ""])


if __name__ == "__main__":
    print(page(), end="")
