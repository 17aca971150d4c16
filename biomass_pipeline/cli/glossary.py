"""The words of the project, read from `glossary.yaml` beside this module."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from biomass_pipeline.cli.verbs import nearest
from biomass_pipeline.errors import UnknownWordError


@dataclass(frozen=True)
class Entry:
    """One word.

    Attributes:
        word: As it is written in the documentation.
        topic: What it belongs to.
        meaning: In plain words.
        unit: Of what is a number; empty otherwise.
        see: Where to meet it: a file, a verb, a setting.
        not_: What it is mistaken for, and what that is; empty if for nothing.
        also: Other names for it.
    """

    word: str
    topic: str
    meaning: str
    see: str
    unit: str = ""
    not_: str = ""
    also: tuple[str, ...] = ()


@cache
def glossary() -> tuple[Entry, ...]:
    """All words, topic by topic."""
    text = files("biomass_pipeline.cli").joinpath("glossary.yaml").read_text(encoding="utf-8")
    return tuple(
        Entry(
            word,
            topic,
            meaning=told["meaning"],
            see=told["see"],
            unit=told.get("unit", ""),
            not_=told.get("not", ""),
            also=tuple(told.get("also", ())),
        )
        for topic, words in yaml.safe_load(text).items()
        for word, told in words.items()
    )


def look_up(word: str) -> Entry:
    """The entry of a word or of another name for it; case, hyphens and a plural s do not matter.

    Raises:
        UnknownWordError: It is not in the glossary.
    """
    by_name = {_plain(name): entry for entry in glossary() for name in (entry.word, *entry.also)}
    wanted = _plain(word)
    found = by_name.get(wanted) or by_name.get(wanted.removesuffix("s"))
    if found is None:
        near = nearest(wanted, list(by_name))
        raise UnknownWordError(word, near=None if near is None else by_name[near].word)
    return found


def _plain(word: str) -> str:
    return " ".join(word.lower().replace("-", " ").replace("_", " ").split())
