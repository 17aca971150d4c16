"""`explain`: the glossary, a word or all of it."""

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import typer
from rich.console import Console

from biomass_pipeline.cli.glossary import Entry, glossary, look_up
from biomass_pipeline.cli.terminal import open_console, say

_LABELS = {"unit": "unit", "see": "see", "not": "not", "also": "also called"}


def explain_word(word: str, *, as_json: bool) -> None:
    """Print what a word means; without a word, all words by topic.

    Raises:
        UnknownWordError: It is not in the glossary.
    """
    if word:
        entry = look_up(word)
        if as_json:
            typer.echo(json.dumps(plain(entry)))
        else:
            _print_entry(open_console(), entry)
        return
    if as_json:
        typer.echo(json.dumps([plain(entry) for entry in glossary()]))
        return
    console = open_console()
    for topic, entries in groupby(glossary(), key=lambda entry: entry.topic):
        console.print(topic, style="bold", markup=False)
        words = ", ".join(entry.word for entry in entries)
        say(console, f"  {words}")
    console.print()
    say(console, "`biomass explain WORD` says what one of them means.")


def plain(entry: Entry) -> dict[str, Any]:
    """An entry for a program; what it has none of is null."""
    return {
        "word": entry.word,
        "topic": entry.topic,
        "meaning": entry.meaning,
        "unit": entry.unit or None,
        "see": entry.see,
        "not": entry.not_ or None,
        "also": list(entry.also),
    }


def facts(entry: Entry) -> Iterator[tuple[str, str]]:
    """What is said of a word beside its meaning: a label and a text, where there is one."""
    told = plain(entry) | {"also": ", ".join(entry.also)}
    return ((label, told[key]) for key, label in _LABELS.items() if told[key])


def _print_entry(console: Console, entry: Entry) -> None:
    console.print(entry.word, style="bold", markup=False)
    say(console, f"  {entry.meaning}")
    for label, text in facts(entry):
        say(console, f"  {label}: {text}", style="dim")
