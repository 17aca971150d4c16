"""Damaged configurations and assignments, and how a verb reads them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml

from biomass_pipeline.config import Config, fingerprint
from biomass_pipeline.project import Project
from biomass_pipeline.testing.survey import SETTINGS
from biomass_pipeline_tests.fuzz.damage import damaged
from biomass_pipeline_tests.fuzz.trial import Broken, Item

_DEEP = 1_100
_VALUES = (
    *(
        "",
        "null",
        "~",
        "true",
        "[]",
        "{}",
        "-1",
        "0",
        "1e999",
        ".inf",
        ".nan",
        "-.inf",
        "1" * 5_000,
    ),
    *("2024-13-45", "24:61:61", "0b2", "0o9", "0x", "!!int abc", "!!float x", "!!timestamp x"),
    *("!!python/object/apply:os.system [ls]", "!!binary \xff", "!!set {a, b}", "*nowhere", "&a *a"),
    *("[" * _DEEP, "{a: " * _DEEP, "a: b: c", "? [a]\n: b", "<<: 3", "%TAG", "'", '"\\x"', "\t"),
    *("../../etc", "/", "\ud800", "\x00", "\x85", "é", "a" * 100_000, "!!omap [a]", "!!bool x"),
)


def read_configuration(content: bytes, folder: Path) -> list[str]:
    """Open a project as a verb does.

    Raises:
        Broken: It is read as something that cannot be written down again.
    """
    file = folder / "biomass.yaml"
    file.write_bytes(content)
    project = Project.open(file, environment={})
    if Config.model_validate(project.config.model_dump()) != project.config:
        # NaN alone is not equal to itself, and no number of a configuration may be that.
        raise Broken("what was read is not what is written")
    fingerprint(project.config)
    return ["read"]


def set_a_value(content: str, folder: Path) -> list[str]:
    """Open a project with one assignment on the command line."""
    Project.open(None, overrides=(content,), environment={})
    return ["read"]


def configurations(number: int, *, seed: int) -> Iterator[Item]:
    """Text damaged by chance, and single values replaced by what YAML makes strange things of."""
    settings = yaml.safe_dump(Config().model_dump(mode="json"))
    other = yaml.safe_dump(SETTINGS)
    lines = settings.splitlines()
    for index in range(number):
        chance = np.random.default_rng([seed, index])
        if index % 2:
            way, data = damaged(settings.encode(), other.encode(), chance)
        else:
            place, value = int(chance.integers(len(lines))), _VALUES[chance.integers(len(_VALUES))]
            key = lines[place].partition(":")[0]
            changed = [*lines[:place], f"{key}: {value}", *lines[place + 1 :]]
            way, data = f"{key.strip()}: {value[:30]!r}", _written("\n".join(changed))
        yield Item(f"{index}: {way}, seed {seed}", data)
    laughs = ["a0: &a0 [x, x]"]
    laughs += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    yield Item("a billion laughs", "\n".join(laughs).encode())
    yield Item("brackets without an end", b"[" * 100_000)
    yield Item("a list that holds itself", b"data: &a {images: *a}")


def assignments() -> Iterator[Item]:
    """`--set` with every strange value, at keys of several kinds, and keys that are none."""
    for key in (
        "training.epochs",
        "data.targets",
        "name",
        "root",
        "data",
        "",
        ".",
        "a..b",
        "x.y.z",
    ):
        for value in _VALUES:
            yield Item(f"{key}={value[:30]!r}", f"{key}={value}")


def _written(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
