"""Print the tables of docs/explanation/storage.md from a result of `benchmarks/storage.py`."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_COLUMNS = {
    "inodes": ("inodes", 1),
    "write_mb_per_s": ("write, MB/s", 1),
    "disk_mb": ("on disk, MB", 1),
    "random_cold_per_s": ("random, cold, bags/s", 1),
    "random_warm_per_s": ("random, warm, bags/s", 1),
    "shuffled_epoch_per_s": ("shuffled epoch, bags/s", 1),
    "sequential_per_s": ("sequential, cold, bags/s", 1),
    "append_s": ("append a bag, ms", 1000),
}


def tables(result: Mapping[str, Any]) -> Iterator[str]:
    """A table a case, and one of what is left after a kill."""
    for name, layouts in result["cases"].items():
        yield f"**{name}**"
        yield from case_table(layouts)
    yield "**A writer killed in the middle, and where metadata go**"
    yield from kill_table(result)


def case_table(layouts: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A row a layout."""
    heads = [head for head, _ in _COLUMNS.values()]
    lines = [f"| layout | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    for name, facts in layouts.items():
        cells = [number(facts.get(key), factor) for key, (_, factor) in _COLUMNS.items()]
        lines.append(f"| {shown(name)} | {' | '.join(cells)} |")
    yield "\n".join(lines)


def kill_table(result: Mapping[str, Any]) -> Iterator[str]:
    """What a killed writer left, and where ids, offsets and stamp can be kept."""
    kept = {name: facts for case in result["cases"].values() for name, facts in case.items()}
    lines = [
        "| layout | written when killed | read back | read, but wrong | ids, offsets, stamp |",
        "|---|---:|---:|---:|---|",
    ]
    for name, facts in result["killed"].items():
        where = kept.get(name, {}).get("metadata", "")
        counts = f"{facts['told']} | {facts['intact']} | {facts['wrong']}"
        lines.append(f"| {shown(name)} | {counts} | {where} |")
    yield "\n".join(lines)


def shown(name: str) -> str:
    """Ours stands out."""
    return f"**{name}**" if "(ours)" in name else name


def number(value: float | None, factor: float) -> str:
    """Three figures; a dash where nothing was measured."""
    if value is None:
        return "-"
    scaled = value * factor
    return f"{scaled:,.0f}" if scaled >= 100 else f"{scaled:.3g}"  # noqa: PLR2004  # three figures


if __name__ == "__main__":
    print("\n\n".join(tables(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
