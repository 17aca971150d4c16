"""A file's own SHA-256, inside it: whoever reads it can tell whether anything of it changed.

The digest stands where the format has room for words and counts as zeros while it is computed. It
starts from what the file is (`patch_index/fold_0.parquet`), so that no file passes for another's.
It guards against decay and mistakes, not against somebody who means it.
"""

import hashlib
import json
import mmap
import re
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biomass_pipeline.whole import write_whole

if TYPE_CHECKING:
    import pandas as pd

# Of the seal, where a format has names for what it says of itself.
_KEY = "seal"
_BEFORE, _AFTER = "biomass-sha256:", ":biomass-seal"
# What a writer puts into the file, once; the digest goes where the zeros are.
BLANK = f"{_BEFORE}{'0' * 64}{_AFTER}"
_SEAL = re.compile(f"{_BEFORE}([0-9a-f]{{64}}){_AFTER}".encode())
# Their place for words is at the end; that of text is at its beginning, or who cuts it cuts that.
_BINARY = (b"PAR1", b"PK\x03\x04")
# The last bytes of a ZIP archive without a comment: how long its comment is.
_NO_COMMENT = b"\0\0"


class Seal(Enum):
    """What a file's seal says of it."""

    WHOLE = "whole"
    BROKEN = "broken"
    # Of an earlier release, or written by something else.
    NONE = "none"


def write_sealed(path: Path, write: Callable[[Path], object], *, name: str) -> None:
    """Write a file whole, with its seal.

    Args:
        path: Where the file shall be; its folder is made.
        write: Writes to the path that it is given, with `BLANK` in it.
        name: What the file is, wherever the project lies: its path under the root, or less.
    """

    def sealed(partial: Path) -> None:
        write(partial)
        _close(partial, name)

    write_whole(path, sealed)


def read_seal(path: Path, name: str) -> Seal:
    """Hold a file against its seal.

    Args:
        path: The file.
        name: As it was given when the file was written.
    """
    with path.open("rb") as file:
        if not path.stat().st_size:
            return Seal.NONE
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            span = _span(data)
            if span is None:
                marked = data.find(_BEFORE.encode()) >= 0 or data.find(_AFTER.encode()) >= 0
                return Seal.BROKEN if marked else Seal.NONE
            whole = _digest(data, span, name) == data[slice(*span)]
            return Seal.WHOLE if whole else Seal.BROKEN


def write_text(path: Path, text: str, *, name: str) -> None:
    """Write a text whole, and with its seal where it has room for one."""

    def write(partial: Path) -> None:
        partial.write_text(text, encoding="utf-8")

    if BLANK in text:
        write_sealed(path, write, name=name)
    else:
        write_whole(path, write)


def write_table(table: "pd.DataFrame", path: Path) -> None:
    """Write a table as Parquet with room for its seal, among what the file says of itself."""
    # Whoever only reads a seal needs no table.
    import pyarrow as pa  # noqa: PLC0415  # as above
    import pyarrow.parquet as pq  # noqa: PLC0415  # as above

    laid = pa.Table.from_pandas(table, preserve_index=False)
    said = {**(laid.schema.metadata or {}), _KEY.encode(): BLANK.encode()}
    pq.write_table(laid.replace_schema_metadata(said), path)


def sealed_json(content: Any) -> str:  # noqa: ANN401  # whatever JSON can hold
    """JSON with room for its seal, if it is an object, which then has it as its first entry."""
    text = json.dumps(content, indent=2, sort_keys=True)
    if not isinstance(content, dict) or not content:
        return text
    return f'{{\n  "{_KEY}": "{BLANK}",{text[1:]}'


def without_seal(content: Any) -> Any:  # noqa: ANN401  # as above
    """What `sealed_json` was given."""
    if not isinstance(content, dict):
        return content
    return {name: value for name, value in content.items() if name != _KEY}


def as_comment(text: str, opening: str, closing: str = "") -> str:
    """A text with room for its seal in a comment: its first line, or the second of an HTML page."""
    comment = f"{opening}{BLANK}{closing}\n"
    head, line, rest = text.partition("\n")
    if line and head.lower().startswith("<!doctype"):
        return f"{head}\n{comment}{rest}"
    return comment + text


def in_archive(path: Path) -> None:
    """Give a ZIP archive room for its seal: its comment."""
    with path.open("r+b") as file:
        file.seek(-len(_NO_COMMENT), 2)
        if file.read() != _NO_COMMENT:
            msg = f"{path} is no archive, or has a comment already"
            raise ValueError(msg)
        file.seek(-len(_NO_COMMENT), 2)
        file.write(len(BLANK).to_bytes(2, "little") + BLANK.encode())


def _close(path: Path, name: str) -> None:
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        span = _span(data)
        if span is None:
            msg = f"{path} has no room for its seal"
            raise ValueError(msg)
        data[slice(*span)] = _digest(data, span, name)


def _span(data: mmap.mmap) -> tuple[int, int] | None:
    """Where the digest stands."""
    found = [match.span(1) for match in _SEAL.finditer(data)]
    if not found:
        return None
    return found[-1] if data[:4] in _BINARY else found[0]


def _digest(data: mmap.mmap, span: tuple[int, int], name: str) -> bytes:
    digest = hashlib.sha256(f"{name}\0".encode())
    with memoryview(data) as view:
        for part in (view[: span[0]], b"0" * 64, view[span[1] :]):
            digest.update(part)
            if isinstance(part, memoryview):
                part.release()
    return digest.hexdigest().encode()
