"""Where the photos are: a local folder, a glob or any fsspec URL, listed in path order."""

import errno
import glob
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol, cast

import fsspec
from fsspec.utils import glob_translate

from biomass_pipeline.errors import MissingInputError, UnreadableFolderError
from biomass_pipeline.manifest.confinement import check_inside, check_links
from biomass_pipeline.manifest.location import file_system
from biomass_pipeline.manifest.settling import Settling, modified_s

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"})

_MAGIC = re.compile(r"[*?\[]")
# What a remote file system tells about a file without telling whether it changed.
_IDLE_FACTS = frozenset({"name", "Key", "type", "atime", "accessed", "nlink", "islink"})
_SIZE_FACTS = frozenset({"size", "Size", "StorageClass", "ContentType", "contentType"})


@dataclass(frozen=True)
class ImageFile:
    """One file that should be a photo.

    Attributes:
        path: POSIX, relative to the folder.
        n_bytes: Its size; 0 for a dangling link.
        stamp: Changes whenever the file may have changed; empty when that cannot be known.
        writing: Whether it is still being written, so that its stamp will change again.
    """

    path: str
    n_bytes: int
    stamp: str
    writing: bool = False


def image_id(path: str) -> str:
    """A photo's name everywhere: its path without the image suffix."""
    stem, _, suffix = path.rpartition(".")
    named = stem and not stem.endswith("/")
    return stem if named and f".{suffix.lower()}" in IMAGE_SUFFIXES else path


class _Storage(Protocol):
    """A tree of files under one root."""

    def walk(self, *, depth: int | None, settling: Settling) -> Iterator[ImageFile]:
        """All files; hidden ones may be among them."""

    def open(self, path: str) -> BinaryIO:
        """Open one file for reading."""


class ImageFolder:
    """The photos under a folder, glob or URL such as `memory://bucket/photos`."""

    def __init__(self, location: str, *, base: Path, settling: Settling | None = None) -> None:
        """Point at photos; nothing is read yet.

        Args:
            location: Folder, file, glob (`photos/**/*.jpg`) or fsspec URL of either.
            base: What a relative local location is relative to.
            settling: Which photos count as still being written; None: none does.
        """
        self.location = location
        self._settling = settling or Settling()
        self._storage: _Storage
        if "://" in location and not location.startswith(("file://", "local://")):
            files, path = file_system(location)
            root, pattern = _split(path, is_folder=files.isdir, is_file=files.isfile)
            self._storage = _RemoteStorage(files, root)
        else:
            path = str(base / location.removeprefix("file://").removeprefix("local://"))
            root, pattern = _split(path, is_folder=os.path.isdir, is_file=os.path.isfile)
            self._storage = _LocalStorage(Path(root))
        self._pattern = pattern

    def files(self) -> list[ImageFile]:
        """List the photos, in path order; hidden files (leading dot) are left out.

        A folder's photos are its files with an image suffix, at any depth; a glob's are all files
        that it matches.

        Raises:
            MissingInputError: There is no such folder, or nothing matches the glob.
            UnreadableFolderError: A folder below cannot be listed.
        """
        wanted = self._wanted()
        depth = None if self._pattern is None or "**" in self._pattern else self._pattern.count("/")
        try:
            walked = self._storage.walk(depth=depth, settling=self._settling)
            found = [file for file in walked if wanted(file.path)]
        except FileNotFoundError:
            raise self._missing() from None
        except OSError as error:
            raise UnreadableFolderError(self.location, str(error)) from error
        if not found and self._pattern is not None:
            raise self._missing()
        return sorted(found, key=lambda file: file.path)

    def open(self, path: str) -> BinaryIO:
        """Open one photo for reading, by its path in the folder.

        Raises:
            OSError: It cannot be read; among them, that its path leads out of the folder.
        """
        check_inside(path)
        return self._storage.open(path)

    def read(self, path: str) -> bytes:
        """Read one photo whole, by its path in the folder."""
        with self.open(path) as stream:
            return stream.read()

    def _wanted(self) -> "_Filter":
        if self._pattern is None:
            return lambda path: _visible(path) and _suffix(path) in IMAGE_SUFFIXES
        matches = re.compile(glob_translate(self._pattern)).match
        return lambda path: _visible(path) and matches(path) is not None

    def _missing(self) -> MissingInputError:
        return MissingInputError("photo folder", self.location, option="data.images")


class _Filter(Protocol):
    def __call__(self, path: str, /) -> bool: ...


class _Test(Protocol):
    def __call__(self, path: str, /) -> bool: ...


def _split(path: str, *, is_folder: _Test, is_file: _Test) -> tuple[str, str | None]:
    """Part a location into its folder and the glob below it; None stands for a folder's photos."""
    path = path.rstrip("/") or "/"
    top = "/" if path.startswith("/") else "."
    if is_folder(path):
        return path, None
    if is_file(path):
        root, _, name = path.rpartition("/")
        return root or top, glob.escape(name)
    parts = path.split("/")
    fixed = next((i for i, part in enumerate(parts) if _MAGIC.search(part)), None)
    if fixed is None:
        return path, None
    return "/".join(parts[:fixed]) or top, "/".join(parts[fixed:])


def _visible(path: str) -> bool:
    return not any(part.startswith(".") for part in path.split("/"))


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


class _LocalStorage:
    """Files on this machine; links are followed, each folder once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def walk(self, *, depth: int | None, settling: Settling) -> Iterator[ImageFile]:
        if not self._root.is_dir():
            raise FileNotFoundError(self._root)
        yield from _Walk(self._root, settling).below("", depth=depth)

    def open(self, path: str) -> BinaryIO:
        check_links(self._root, path)
        return open(self._root / path, "rb", opener=_opened_file)


def _opened_file(path: str, flags: int) -> int:
    """Open a file, and nothing else: a pipe in its place would be waited for, for ever."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a file", path)
    return descriptor


def _leads_to_folder(entry: "os.DirEntry[str]") -> bool:
    """Whether there is a folder; a link to itself is as one to nowhere."""
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
        raise


class _Walk:
    """One look at a tree of local files."""

    def __init__(self, root: Path, settling: Settling) -> None:
        self._root, self._settling, self._now_s = root, settling, settling.clock()

    def below(
        self,
        folder: str,
        *,
        depth: int | None,
        above: frozenset[str] = frozenset(),
        marked: bool = False,
    ) -> Iterator[ImageFile]:
        here = os.path.realpath(self._root / folder)
        if here in above:
            return
        with os.scandir(here) as entries:
            listed = list(entries)
        marked = marked or any(entry.name == self._settling.upload_marker for entry in listed)
        for entry in listed:
            path = f"{folder}{entry.name}"
            if entry.name.startswith("."):
                continue
            if not _leads_to_folder(entry):
                yield from self._file(entry, path, marked=marked)
            elif depth is None or depth > 0:
                deeper = None if depth is None else depth - 1
                yield from self.below(f"{path}/", depth=deeper, above=above | {here}, marked=marked)

    def _file(self, entry: "os.DirEntry[str]", path: str, *, marked: bool) -> Iterator[ImageFile]:
        try:
            facts = entry.stat()
        except OSError:
            yield ImageFile(path=path, n_bytes=0, stamp="", writing=marked)
            return
        if entry.is_file():
            stamp = f"{facts.st_size}-{facts.st_mtime_ns}-{facts.st_ino}"
            writing = marked or self._settling.is_recent(facts.st_mtime, now_s=self._now_s)
            yield ImageFile(path=path, n_bytes=facts.st_size, stamp=stamp, writing=writing)


class _RemoteStorage:
    """Files behind fsspec."""

    def __init__(self, files: fsspec.AbstractFileSystem, root: str) -> None:
        self._files = files
        self._root = root.rstrip("/")

    def walk(self, *, depth: int | None, settling: Settling) -> Iterator[ImageFile]:
        self._files.invalidate_cache()
        if not self._files.isdir(self._root or "/"):
            raise FileNotFoundError(self._root)
        limit = None if depth is None else depth + 1
        listed = self._files.find(self._root, maxdepth=limit, detail=True)
        now_s = settling.clock()
        marked = tuple(
            name.rpartition("/")[0] + "/"
            for name in listed
            if name.rpartition("/")[2] == settling.upload_marker
        )
        for name, facts in listed.items():
            recent = settling.is_recent(modified_s(facts), now_s=now_s)
            yield ImageFile(
                path=name.removeprefix(self._root).lstrip("/"),
                n_bytes=int(facts.get("size") or 0),
                stamp=_stamp(facts.items()),
                writing=recent or name.startswith(marked),
            )

    def open(self, path: str) -> BinaryIO:
        return cast("BinaryIO", self._files.open(f"{self._root}/{path}", "rb"))


def _stamp(facts: Iterable[tuple[str, Any]]) -> str:
    """All that a listing says about a file; empty when nothing there would show a change."""
    telling = sorted((key, str(value)) for key, value in facts if key not in _IDLE_FACTS)
    if all(key in _SIZE_FACTS for key, _ in telling):
        return ""
    return ";".join(f"{key}={value}" for key, value in telling)
