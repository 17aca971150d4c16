"""A stream as a file with a name, for decoders that read no streams."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_COPY_BYTES = 1 << 22


@contextmanager
def local_file(stream: BinaryIO) -> Iterator[str]:
    """Give the path of a local file with the stream's content, a temporary one if need be."""
    if (path := _path_of(stream)) is not None:
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix="biomass-photo-") as copy:
        stream.seek(0)
        shutil.copyfileobj(stream, copy, _COPY_BYTES)
        copy.flush()
        yield copy.name


def _path_of(stream: BinaryIO) -> str | None:
    """The path of an open local file, if it still leads to the same file."""
    try:
        path = Path(os.fsdecode(stream.name)).absolute()
        same = os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except (AttributeError, OSError, TypeError, ValueError):
        return None
    return str(path) if same else None
