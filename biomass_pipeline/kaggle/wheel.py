"""The package that runs here as a wheel, so that a kernel runs the same code. Needs no network.

A wheel is a zip of the package's files with a list of their hashes (PyPA's binary distribution
format, https://packaging.python.org/specifications/binary-distribution-format). Building one from
a checkout would need its build backend; what is installed has been built already.
"""

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import biomass_pipeline
from biomass_pipeline import __version__
from biomass_pipeline.whole import write_whole

_PROJECT, _PACKAGE = "biomass-pipeline", "biomass_pipeline"
_INFO = f"{_PACKAGE}-{__version__}.dist-info"
WHEEL_NAME = f"{_PACKAGE}-{__version__}-py3-none-any.whl"
# The first moment that a zip can tell: equal packages are equal bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_TAGS = (
    "Wheel-Version: 1.0\nGenerator: biomass-pipeline\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
)


def write_wheel(folder: Path) -> Path:
    """Write the running package as a wheel.

    Args:
        folder: Where to; made if missing.

    Returns:
        The file.
    """
    path = folder / WHEEL_NAME
    write_whole(path, lambda partial: _zip(dict(_files()), partial))
    return path


def _files() -> Iterator[tuple[str, bytes]]:
    """Name in the wheel and content of each file but the list of them."""
    root = Path(biomass_pipeline.__file__).parent
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if path.is_file() and not hidden:
            yield "/".join((_PACKAGE, *parts)), path.read_bytes()
    yield f"{_INFO}/METADATA", _metadata().encode()
    yield f"{_INFO}/WHEEL", _TAGS.encode()


def _metadata() -> str:
    """What the installation says of itself; the least that a wheel must say where none is known."""
    try:
        text = metadata.distribution(_PROJECT).read_text("METADATA")
    except metadata.PackageNotFoundError:
        text = None
    return text or f"Metadata-Version: 2.1\nName: {_PROJECT}\nVersion: {__version__}\n"


def _zip(files: dict[str, bytes], path: Path) -> None:
    rows = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in files.items()]
    record = f"{_INFO}/RECORD"
    files[record] = "\n".join([*rows, f"{record},,", ""]).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
