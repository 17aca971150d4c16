"""Ways to keep bags of features on disk, compared in one run on one machine.

Usage: python benchmarks/storage.py [RESULT.json] [--bags 357 5000] [--minutes 15]. Under 6 GB of
disk at a time below --folder, which is cleared. A tmpfs has no cold reads: name a disk. `python
scripts/storage_table.py RESULT.json` prints the tables.
"""

import argparse
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import numpy as np
from layouts import LAYOUTS, Bags, Layout, Mapped, MemoryMap, Reader
from storage_measures import (
    Looking,
    appended,
    emptied,
    killed,
    measured,
    written,
)
from verdicts import Target, finish

from biomass_pipeline.benchmark import Effort, fastest

# Of a photo of 1000 x 2000 px with the default tiling; of ViT-L/14's patches of as many tiles.
_TILES, _PATCHES = 15, 15 * 37 * 37
_KINDS = ((1024, "float16"), (1024, "float32"), (4096, "float16"))
_SLOWEST = 0.5


def cases(n_bags: list[int], n_patch_bags: int) -> dict[str, Bags]:
    """What is kept, by name: each number of bags in each width and type, and ViT patches."""
    found = {
        f"{n} bags, {_TILES} x {width} {dtype}": Bags(n, _TILES, width, dtype)
        for n in n_bags
        for width, dtype in _KINDS
    }
    if n_patch_bags:
        patches = Bags(n_patch_bags, _PATCHES, 1024, "float16")
        found[f"{n_patch_bags} bags, {_PATCHES} x 1024 float16 (patches)"] = patches
    return found


def one_case(bags: Bags, folder: Path, *, effort: Looking, until_s: float) -> dict[str, Any]:
    """Every layout of one case, one after another; those that time does not reach are left out."""
    rows: dict[str, Any] = {}
    for layout, twins in _by_files():
        if monotonic() > until_s:
            break
        place = emptied(folder / "bags")
        rate = written(layout, place, bags)
        for one in (layout, *twins):
            rows[one.name] = {
                "write_mb_per_s": rate / 1e6,
                **measured(one, place, bags, effort=effort),
            }
        rows[layout.name]["append_s"] = appended(layout, place, bags)
    emptied(folder / "bags")
    return rows


def warm_up(folder: Path) -> None:
    """Import every library before a clock runs."""
    few = Bags(2, 2, 8, "float16")
    for layout, _ in _by_files():
        place = emptied(folder / "bags")
        layout.write(place, few, lambda _: None)
        with closing(layout.open(place, few)) as reader:
            list(reader.shuffled([1, 0]))


def _by_files() -> Iterator[tuple[Layout, list[Layout]]]:
    """Each layout that writes, with those that only read its files in other ways."""
    for layout in LAYOUTS:
        if layout.written:
            twins = [
                each for each in LAYOUTS if not each.written and isinstance(each, type(layout))
            ]
            yield layout, twins


def over_memory_map(bags: Bags, folder: Path) -> float:
    """Our random reads over those of a plain memory map, warm, in turn."""
    readers: dict[str, Reader] = {}
    for name, layout in (("ours", Mapped()), ("map", MemoryMap())):
        place = emptied(folder / name)
        layout.write(place, bags, lambda _: None)
        readers[name] = layout.open(place, bags)
    order = np.random.default_rng(1).permutation(len(bags))[:200].tolist()
    calls = {
        name: (lambda reader=reader: [bag.view(np.uint8).max() for bag in reader.run(order)])
        for name, reader in readers.items()
    }
    took = fastest(calls, effort=Effort(rounds=5, enough_s=1.0))
    for name, reader in readers.items():
        reader.close()
        emptied(folder / name)
    return took["map"] / took["ours"]


def options() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("result", type=Path, nargs="?", help="JSON file to write")
    parser.add_argument("--bags", type=int, nargs="*", default=[357, 5000])
    parser.add_argument("--patch-bags", type=int, default=12, help="0: no case of patches")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each rate")
    parser.add_argument("--minutes", type=float, default=15.0, help="no layout begins after them")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; else the system's")
    parser.add_argument(
        "--drop-caches",
        action="store_true",
        help="before cold reads, of the whole machine (as root, alone on it)",
    )
    return parser.parse_args()


def main() -> None:
    """Measure, print, and write the result where it is wanted."""
    asked = options()
    effort, until_s = Looking(asked.seconds, asked.drop_caches), monotonic() + 60 * asked.minutes
    wanted = cases(asked.bags, asked.patch_bags)
    ratios, tables = {}, {}
    with TemporaryDirectory(prefix="biomass_storage_", dir=asked.folder) as name:
        folder = Path(name)
        kills = {each.name: killed(each, emptied(folder / "bags")) for each, _ in _by_files()}
        warm_up(folder)
        for what, bags in wanted.items():
            if monotonic() > until_s:
                break
            ratios[f"ours over a memory map, warm: {what}"] = over_memory_map(bags, folder)
            tables[what] = one_case(bags, folder, effort=effort, until_s=until_s)
            print(f"{what}: {len(tables[what])} layouts", flush=True)
        disk, ahead_kb = filesystem(folder), read_ahead_kb(folder)
    details = {
        "cases": tables,
        "killed": kills,
        "seconds": asked.seconds,
        "filesystem": disk,
        "read_ahead_kb": ahead_kb,
        "all_caches_dropped": asked.drop_caches,
        "left_out": len(wanted) * len(LAYOUTS) - sum(map(len, tables.values())),
    }
    targets = [Target(what, _SLOWEST, ratio) for what, ratio in ratios.items()]
    finish(asked.result, ratios=ratios, targets=targets, details=details)


def filesystem(folder: Path) -> str:
    """The kind of file system that a folder is on, as Linux names it; empty elsewhere."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return ""
    lines = [line.split() for line in mounts.read_text(encoding="utf-8").splitlines()]
    device = os.stat(folder).st_dev  # noqa: PTH116  # the number of the device
    on = [line[2] for line in lines if Path(line[1]).exists() and os.stat(line[1]).st_dev == device]  # noqa: PTH116
    return on[-1] if on else ""


def read_ahead_kb(folder: Path) -> int | None:
    """How much more than it was asked for a disk reads; None where Linux does not say."""
    device = os.stat(folder).st_dev  # noqa: PTH116  # the number of the device
    said = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/queue/read_ahead_kb")
    return int(said.read_text(encoding="ascii")) if said.exists() else None


if __name__ == "__main__":
    main()
