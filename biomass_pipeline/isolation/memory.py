"""Memory that two processes share and that has no name: it is gone when both let go of it.

So nothing is left in /dev/shm, whoever is killed, and its size limit there, 64 MiB in a container
by default, does not apply.
"""

import fcntl
import mmap
import os
import shutil
import tempfile
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

# What is larger waits on the disk and not in memory.
_HELD_BYTES: Final = 64 * 2**20
_COPY_BYTES: Final = 4 * 2**20


def unnamed(n_bytes: int) -> int:
    """A file descriptor of so many zeros, which take no memory until they are written.

    On Linux its size cannot be changed: who holds it as well cannot cut it off under our feet.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("biomass", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(descriptor, n_bytes)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
        return descriptor
    with tempfile.TemporaryFile() as file:
        os.ftruncate(file.fileno(), n_bytes)
        return os.dup(file.fileno())


def mapped(descriptor: int, n_bytes: int) -> NDArray[np.uint8]:
    """The first bytes of a descriptor, shape (byte,); the memory is held as long as the array is.

    Raises:
        ValueError: There are not so many.
    """
    if not n_bytes:
        return np.empty(0, np.uint8)
    return np.frombuffer(mmap.mmap(descriptor, n_bytes), np.uint8)


def descriptor_of(stream: BinaryIO) -> int:
    """A descriptor of a stream's content, to be closed by the caller; a copy if it is no file."""
    try:
        return os.dup(stream.fileno())
    except (AttributeError, OSError, ValueError):
        pass
    n_bytes = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if n_bytes > _HELD_BYTES:
        with tempfile.TemporaryFile(prefix="biomass-photo-") as file:
            shutil.copyfileobj(stream, file, _COPY_BYTES)
            file.flush()
            return os.dup(file.fileno())
    descriptor = unnamed(n_bytes)
    with os.fdopen(os.dup(descriptor), "wb") as copy:
        shutil.copyfileobj(stream, copy, _COPY_BYTES)
    return descriptor
