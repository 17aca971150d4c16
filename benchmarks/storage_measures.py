"""What is measured of a layout on disk: rates, room, what an appended bag costs, and a kill."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from layouts import LAYOUTS, Bags, Layout, Reader
from numpy.typing import NDArray

_CACHES = Path("/proc/sys/vm/drop_caches")
_KILL_BAGS, _KILL_ROWS, _KILL_WIDTH = 64, 15, 1024
# From here on a file at a time takes longer than the whole disk.
_MANY_FILES = 64


@dataclass(frozen=True)
class Looking:
    """How a layout is looked at.

    Attributes:
        seconds: For each rate, once opened; a pass over all bags may end sooner.
        all_caches: Whether cold means that the whole system forgot, and not these files alone.
    """

    seconds: float
    all_caches: bool


def measured(layout: Layout, folder: Path, bags: Bags, *, effort: Looking) -> dict[str, Any]:
    """Everything of one layout that is already written.

    Args:
        layout: Which.
        folder: Where it is.
        bags: What it holds.
        effort: How long, and how cold.
    """
    order = np.random.default_rng(0).permutation(len(bags)).tolist()
    facts: dict[str, Any] = {
        "inodes": len(entries(folder)),
        "disk_mb": disk_bytes(folder) / 1e6,
        "metadata": layout.metadata,
    }
    read_once(folder)
    forget(folder, all_caches=effort.all_caches)
    facts["sequential_per_s"] = _rate(
        layout, folder, bags, lambda reader: reader.run(range(len(bags))), seconds=effort.seconds
    )
    if layout.at_random:
        forget(folder, all_caches=effort.all_caches)
        facts["random_cold_per_s"] = _rate(
            layout, folder, bags, lambda reader: reader.run(order), seconds=effort.seconds
        )
        facts["random_warm_per_s"] = _warm(layout, folder, bags, order, seconds=effort.seconds)
    facts["shuffled_epoch_per_s"] = _rate(
        layout, folder, bags, lambda reader: reader.shuffled(order), seconds=effort.seconds
    )
    return facts


def written(layout: Layout, folder: Path, bags: Bags) -> float:
    """The bytes a second that a layout is written with, until they are on the disk."""
    # Made up before the clock starts.
    bags[0]
    started_s = perf_counter()
    layout.write(folder, bags, lambda _: None)
    settle(folder)
    return bags.n_bytes / (perf_counter() - started_s)


def appended(layout: Layout, folder: Path, bags: Bags) -> float:
    """The seconds that one more bag takes, until it is on the disk; it is then read back."""
    more = bags.one_more()
    started_s = perf_counter()
    layout.append(folder, more)
    settle(folder)
    took_s = perf_counter() - started_s
    last = _read_one(layout, folder, more, len(bags))
    if last is None or not np.array_equal(last, more[len(bags)]):
        msg = f"{layout.name} does not give back what was appended"
        raise RuntimeError(msg)
    return took_s


def killed(layout: Layout, folder: Path) -> dict[str, Any]:
    """What is left when the writer is killed (SIGKILL) in the middle: looked at, bag by bag.

    A process dies and not the power: what the system was given is not lost.

    Returns:
        `told`: bags that the writer was done with; `intact`: those of them that are read back;
        `wrong`: bags that are read without an error and are not what was written.
    """
    command = [sys.executable, str(Path(__file__)), layout.name, str(folder)]
    told = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        for line in writer.stdout or ():
            told = int(line) + 1
            if told == _KILL_BAGS // 2:
                writer.send_signal(signal.SIGKILL)
                break
    return {"told": told, **left(layout, folder, told=told)}


def left(layout: Layout, folder: Path, *, told: int) -> dict[str, int]:
    """How much of what a writer was done with is read back, and how much is read wrongly."""
    bags = kill_bags()
    found = [_read_one(layout, folder, bags, index) for index in range(len(bags))]
    same = [bag is not None and np.array_equal(bag, bags[i]) for i, bag in enumerate(found)]
    wrong = sum(bag is not None and not ok for bag, ok in zip(found, same, strict=True))
    return {"intact": sum(same[:told]), "wrong": wrong}


def kill_bags() -> Bags:
    """What a writer is killed over."""
    return Bags(_KILL_BAGS, _KILL_ROWS, _KILL_WIDTH, "float16")


def entries(folder: Path) -> list[Path]:
    """Every file and folder below: what an inode each is spent on."""
    return list(folder.rglob("*"))


def disk_bytes(folder: Path) -> int:
    """What they take on disk."""
    return sum(path.stat().st_blocks * 512 for path in entries(folder))


def settle(folder: Path) -> None:
    """Wait until files are on the disk: a few one by one, many by telling the system once."""
    found = [path for path in entries(folder) if path.is_file()]
    if len(found) > _MANY_FILES:
        os.sync()
        return
    for path in found:
        with _descriptor(path) as descriptor:
            os.fsync(descriptor)


def read_once(folder: Path) -> None:
    """Read all files: the host of a virtual disk keeps what was read, which favours the second."""
    for path in entries(folder):
        if path.is_file():
            path.read_bytes()


def forget(folder: Path, *, all_caches: bool) -> None:
    """Drop what the system holds of these files in memory, or of everything, names and inodes too.

    Args:
        folder: Where they are.
        all_caches: As root alone may; everybody on the machine then reads from its disks.
    """
    settle(folder)
    for path in entries(folder):
        if path.is_file():
            with _descriptor(path) as descriptor:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    if all_caches:
        _CACHES.write_text("3\n", encoding="ascii")


@contextmanager
def _descriptor(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def emptied(folder: Path) -> Path:
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _rate(
    layout: Layout,
    folder: Path,
    bags: Bags,
    run: Callable[[Reader], Iterator[NDArray[Any]]],
    *,
    seconds: float,
) -> float:
    """Bags a second over at most one pass, opening included."""
    started_s = perf_counter()
    with closing(layout.open(folder, bags)) as reader:
        # A layout that reads everything when it is opened is given its pass all the same.
        count, opened_s = 0, perf_counter()
        for bag in run(reader):
            # Every number is touched, as training does.
            bag.view(np.uint8).max()
            count += 1
            if count == len(bags) or perf_counter() - opened_s > seconds:
                break
    return count / (perf_counter() - started_s)


def _warm(
    layout: Layout, folder: Path, bags: Bags, order: Sequence[int], *, seconds: float
) -> float:
    """Bags a second once all were read before; the better of two passes, opening not included."""
    best = 0.0
    with closing(layout.open(folder, bags)) as reader:
        for _ in range(3):
            started_s, count = perf_counter(), 0
            for bag in reader.run(order):
                bag.view(np.uint8).max()
                count += 1
                if perf_counter() - started_s > seconds:
                    break
            best = max(best, count / (perf_counter() - started_s))
    return best


def _read_one(layout: Layout, folder: Path, bags: Bags, index: int) -> NDArray[Any] | None:
    """A bag, or None where the layout says that it is not there."""
    try:
        with closing(layout.open(folder, bags)) as reader:
            return reader.bag(index)
    except Exception:  # noqa: BLE001  # each library has its own ways to say so
        return None


def _write_and_tell(name: str, folder: Path) -> None:
    """In a process of its own, to be killed."""
    layout = next(each for each in LAYOUTS if each.name == name)
    layout.write(folder, kill_bags(), _tell_and_wait)


def _tell_and_wait(index: int) -> None:
    print(index, flush=True)
    if index + 1 == _KILL_BAGS // 2:
        # Here it is killed, and not a bag later, however fast it writes.
        signal.pause()


if __name__ == "__main__":
    _write_and_tell(sys.argv[1], Path(sys.argv[2]))
