"""What an audit stands on: the project, what was once made, and files read once."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from biomass_pipeline.audit.condition import REMAKE, RUN, Condition, State
from biomass_pipeline.config import Config
from biomass_pipeline.layout import Layout
from biomass_pipeline.project import Project
from biomass_pipeline.seal import Seal, read_seal, without_seal

# An asset, and its fold or protocol.
Made = tuple[str, str | None]
_UNSEALED = "no seal, as of an earlier release: only that it can be read was checked"


@dataclass
class Ground:
    """A project under audit.

    Attributes:
        project: Whose artefacts are looked at.
        extraction: The fingerprint of the features that the configuration asks for.
        made: What Dagster remembers to have been made; None if it remembers nothing.
        tables: Those that could be read, by name under the root folder.
        documents: Likewise.
    """

    project: Project
    extraction: str
    made: frozenset[Made] | None
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    documents: dict[str, Any] = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        """Where the artefacts are."""
        return self.project.layout

    @property
    def config(self) -> Config:
        """The project's."""
        return self.project.config

    @property
    def folds(self) -> range:
        """The folds."""
        return range(self.config.folds.n_folds)

    def table(self, path: Path, made: Made, *, remedy: str = REMAKE) -> Condition:
        """Look at a table, and keep it for others to be held against."""
        name = self.layout.name(path)
        if (gone := self.absent(path, made)) is not None:
            return gone
        try:
            table = pd.read_parquet(path)
        except Exception as error:  # noqa: BLE001  # whatever pyarrow makes of a damaged file
            return damaged(name, f"it cannot be read ({type(error).__name__})", remedy)
        found = sealed(path, name, remedy=remedy)
        if not found.state.is_fault:
            self.tables[name] = table
        return found

    def document(self, path: Path, made: Made) -> Condition:
        """Look at a JSON document, and keep it."""
        name = self.layout.name(path)
        if (gone := self.absent(path, made)) is not None:
            return gone
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            return damaged(name, f"it cannot be read ({type(error).__name__})", REMAKE)
        found = sealed(path, name)
        if not found.state.is_fault:
            self.documents[name] = without_seal(content)
        return found

    def absent(self, path: Path, made: Made) -> Condition | None:
        """What to say of an artefact that is not there; None if it is."""
        name = self.layout.name(path)
        if path.is_file():
            return None
        if path.exists():
            return damaged(name, "it is no file", "move it away, then " + RUN)
        if self.made is None or made not in self.made:
            return Condition(name, State.NOT_MADE)
        return Condition(name, State.MISSING, "it was made and is gone", RUN)

    def kept(self, path: Path) -> pd.DataFrame | None:
        """A table that was looked at and is whole."""
        return self.tables.get(self.layout.name(path))


def sealed(
    path: Path, name: str, *, known_as: str | None = None, remedy: str = REMAKE
) -> Condition:
    """What a file's seal says.

    Args:
        path: The file, which is there.
        name: Its path under the root folder.
        known_as: What it is called in its seal, if that is not its name.
        remedy: What to do if it is damaged.
    """
    seal = read_seal(path, known_as or name)
    if seal is Seal.WHOLE:
        return Condition(name, State.WHOLE)
    if seal is Seal.NONE:
        return Condition(name, State.READABLE, _UNSEALED)
    for other, called in _siblings(path, known_as or name):
        if read_seal(path, called) is Seal.WHOLE:
            return damaged(name, f"it is the file of {other}, undamaged", remedy)
    return damaged(name, "it is not what was written (SHA-256)", remedy)


def damaged(name: str, what: str, remedy: str) -> Condition:
    """An artefact that cannot be used."""
    return Condition(name, State.DAMAGED, what, remedy)


def _siblings(path: Path, called: str) -> Iterator[tuple[str, str]]:
    """What a file might be instead: that of another fold, by its folder or by its own name."""
    for one in path.parents[2].glob(f"*/*/{path.name}") if called.startswith("fold_") else ():
        other = f"{one.parent.name}/{one.name}"
        if other != called:
            yield other, other
    for one in sorted(path.parent.glob(f"*{path.suffix}")):
        if one != path:
            yield one.name, f"{called.removesuffix(path.name)}{one.name}"
