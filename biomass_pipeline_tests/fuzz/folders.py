"""Folders of photos with names and kinds of files that nobody expects."""

import os
import socket
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

from biomass_pipeline_tests.fuzz.trial import Item
from biomass_pipeline_tests.imaging.conftest import encode, scene

_NAMES: tuple[bytes, ...] = (
    *(b"two\nlines.jpg", b"tab\t.jpg", b"\x1b[31mred.jpg", b"bell\x07.jpg", b"caf\xe9.jpg"),
    *(b"'quoted'.jpg", b'"quoted".jpg', b"back\\slash.jpg", b"a,b;c.jpg", b"$(reboot).jpg"),
    *(
        b"-rf.jpg",
        b"--help.jpg",
        b" .jpg",
        b"..jpg",
        b"...jpg",
        b".jpg",
        b"a.jpg.png.tif",
        b"CON.jpg",
    ),
    *(
        b"%2e%2e%2f.jpg",
        b"*.jpg",
        b"[0].jpg",
        b"?.jpg",
        b"{a,b}.jpg",
        b"<b>.jpg",
        b"a:b.jpg",
        b"#.jpg",
    ),
    *(
        name.encode()
        for name in ("ü.jpg", "u\u0308.jpg", "草.jpg", "🌱.jpg", "\u202egpj.jpg", "\u200b.jpg")
    ),
    *(b"x" * 251 + b".jpg", "草".encode() * 83 + b".jpg", b"\xff" * 251 + b".jpg"),
)


def folders() -> Iterator[Item]:
    """What makes each."""
    for make in (names, kinds, links, loops, locked, deep, nothing):
        yield Item(make.__name__, make)


def names(folder: Path) -> None:
    """Names of every kind, each of another photo."""
    for number, name in enumerate(_NAMES):
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:  # noqa: PTH118, PTH123  # the name is bytes
            file.write(encode(scene(height=9 + number), "PNG"))


def kinds(folder: Path) -> None:
    """Pipes, sockets and folders under the names of photos."""
    os.mkfifo(folder / "pipe.jpg")
    (folder / "folder.jpg").mkdir()
    (folder / "photos.jpg").mkdir()
    (folder / "photos.jpg" / "a.jpg").write_bytes(encode(scene(), "JPEG"))
    os.mkfifo(folder / "photos.jpg" / "b.jpg")
    with chdir(folder), socket.socket(socket.AF_UNIX) as end:  # its path must be short
        end.bind("s.jpg")


def links(folder: Path) -> None:
    """Links out of the folder, to what is a photo and what is not, and to nowhere."""
    outside = folder / ".outside"
    outside.mkdir()
    (outside / "far.jpg").write_bytes(encode(scene(), "JPEG"))
    places = ("/dev/zero", "/dev/stdin", "/proc/self/mem", "/etc/passwd", "/nowhere")
    for number, place in enumerate(places):
        (folder / f"link{number}.jpg").symlink_to(place)
    (folder / "far.jpg").symlink_to(outside / "far.jpg")


def loops(folder: Path) -> None:
    """Links to themselves and to the folder that they lie in."""
    (folder / "self.jpg").symlink_to(folder / "self.jpg")
    (folder / "up").symlink_to(folder)
    (folder / "up.jpg").symlink_to(folder.parent / "photos")
    (folder / "a.jpg").write_bytes(encode(scene(), "JPEG"))


def locked(folder: Path) -> None:
    """Files without any permission; for root they are as any others."""
    path = folder / "locked.jpg"
    path.write_bytes(encode(scene(), "JPEG"))
    path.chmod(0)


def deep(folder: Path) -> None:
    """Folders in folders."""
    for number in range(60):
        folder = folder / f"level{number}"
        folder.mkdir()
    (folder / "a.jpg").write_bytes(encode(scene(), "JPEG"))


def nothing(folder: Path) -> None:
    """No photo at all."""
    (folder / "notes.txt").write_text("none", encoding="utf-8")
