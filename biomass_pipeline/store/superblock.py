"""What the first bytes of an HDF5 file say, read without HDF5."""

import os
from pathlib import Path


def is_truncated(path: Path) -> bool:
    """Whether the file ends before the end that its superblock names.

    With SWMR, HDF5 would wait for the rest for ever. Superblock versions 2 and 3 (HDF5 File Format
    Specification 3.0, II.A) keep the end-of-file address in bytes 28 to 35, little-endian.
    """
    with path.open("rb") as file:
        head = file.read(36)
        n_bytes = os.fstat(file.fileno()).st_size
    known = head[:8] == b"\x89HDF\r\n\x1a\n" and head[8:9] in (b"\x02", b"\x03")
    return known and n_bytes < int.from_bytes(head[28:36], "little")
