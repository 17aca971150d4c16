"""Label tables as spreadsheets, scripts and enemies write them, and how one is read."""

import csv
from collections.abc import Callable, Iterator
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import pandas as pd
from pyarrow.lib import ArrowException

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.manifest import ImageFolder, image_manifest, label_table, read_labels
from biomass_pipeline_tests.fuzz.damage import damaged
from biomass_pipeline_tests.fuzz.trial import Broken, Item
from biomass_pipeline_tests.imaging.conftest import encode, scene

Rows = list[list[str]]

WIDE = DataConfig(
    layout="wide",
    date_column="date",
    targets=(TargetConfig(name="mass_g"), TargetConfig(name="dead_g")),
    identities={},
    group_columns=("date",),
)
_N_PHOTOS = 6
# A million rows take a fair machine about ten seconds.
_MILLION_S = 40.0
_CELLS = (
    "",
    " ",
    "nan",
    "NaN",
    "NA",
    "inf",
    "-inf",
    "1e400",
    "1e-400",
    "-3",
    "-0.0",
    "1,5",
    "1.234,5",
    "1 234",
    "12 g",
    "12g",
    "0x1f",
    "1_000",
    "½",
    "\uff13",
    "\u0663",
    "=1+1",
    "=cmd|'/c calc'!A0",
    "@SUM(A1)",
    "#REF!",
    "TRUE",
    "None",
    "2024-13-45",
    "45/2024",
    "31.12.2024",
    "12/31/24",
    "2024-05-01T10:00",
    "9" * 400,
    "1" * 5_000,
    "\0",
    "a\nb",
    '"',
    "\\",
    "\u202e",
    "\ud800",
    "../../../etc/passwd",
    "/etc/passwd",
    "photo0.png",
    "PHOTO0.PNG",
    "*",
    "x" * 70_000,
)
_HEADS = (
    "",
    "mass_g",
    "image_path",
    "group",
    "image_id",
    "fold",
    "\nrow",
    "__index_level_0__",
    "0",
)


def read_table(content: tuple[bytes, str, DataConfig], folder: Path) -> list[str]:
    """Read a table as the graph does: parsed, joined to the photos, and joined again to labels.

    Args:
        content: The file, its name, and what it should hold.
        folder: An empty one.

    Raises:
        Broken: What came is nothing to learn from.
    """
    data, name, spec = content
    (folder / name).write_bytes(data)
    _take_photos(folder / "photos")
    sheet = read_labels(name, base=folder, spec=spec)
    photos = ImageFolder("photos", base=folder)
    manifest = image_manifest(photos, labels=sheet, sidecar=None, max_pixels=10**6)
    table = label_table(sheet, manifest, spec=spec)
    y = table[list(spec.target_names)].to_numpy(dtype=np.float64)
    if not (np.isfinite(y).all() and (y >= 0).all()):
        raise Broken(f"labels of {y[~np.isfinite(y) | (y < 0)]} would be trained on")
    trusted = set(manifest["image_id"][manifest["status"] == "ok"])
    if table["image_id"].duplicated().any() or not set(table["image_id"]) <= trusted:
        raise Broken("labels of photos that are not trusted, or of one photo twice")
    if {path.name for path in folder.iterdir()} != {name, "photos"}:
        raise Broken("something lies beside the table")
    return ["read"]


def _take_photos(folder: Path) -> None:
    folder.mkdir()
    for number in range(_N_PHOTOS):
        (folder / f"photo{number}.png").write_bytes(encode(scene(height=8 + number), "PNG"))


def damaged_tables(number: int, *, seed: int) -> Iterator[Item]:
    """Tables changed by chance in cells, rows, columns, the whole text, or its bytes."""
    for index in range(number):
        chance = np.random.default_rng([seed, index])
        way = list(_WAYS)[index % len(_WAYS)]
        spec, rows = ((WIDE, _wide()), (DataConfig(), _long()))[chance.integers(2)]
        data = _WAYS[way](rows, chance)
        yield Item(f"{index}: {way}, {spec.layout}, seed {seed}", (data, "labels.csv", spec))


def _wide() -> Rows:
    head = ["image_path", "date", "mass_g", "dead_g", "note"]
    return [
        head,
        *([f"photo{n}.png", f"2024-05-{n + 1:02d}", f"{n}.5", "0", "dry"] for n in range(6)),
    ]


def _long() -> Rows:
    masses = {"Dry_Green_g": 1.5, "Dry_Dead_g": 2, "Dry_Clover_g": 0, "GDM_g": 1.5}
    masses["Dry_Total_g"] = 3.5
    head = ["sample_id", "image_path", "Sampling_Date", "State", "target_name", "target"]
    return [
        head,
        *(
            [f"{n}__{name}", f"train/photo{n}.png", f"2015/9/{n + 1}", "WA", name, str(mass)]
            for n in range(6)
            for name, mass in masses.items()
        ),
    ]


def _text(rows: Rows, separator: str = ",") -> str:
    stream = StringIO()
    csv.writer(stream, delimiter=separator).writerows(rows)
    return stream.getvalue()


def _cells(rows: Rows, chance: np.random.Generator) -> bytes:
    for _ in range(chance.integers(1, 4)):
        row = rows[chance.integers(len(rows))]
        row[chance.integers(len(row))] = _CELLS[chance.integers(len(_CELLS))]
    return _text(rows).encode("utf-8", "surrogatepass")


def _lines(rows: Rows, chance: np.random.Generator) -> bytes:
    place = int(chance.integers(len(rows)))
    row = rows[place]
    others = ([row, row], [], [row[:-1]], [[*row, "more"]], [[]], [[""] * len(row)], rows)
    rows[place : place + 1] = [list(one) for one in others[chance.integers(len(others))]]
    return _text(rows).encode()


def _columns(rows: Rows, chance: np.random.Generator) -> bytes:
    place, name = int(chance.integers(len(rows[0]))), _HEADS[chance.integers(len(_HEADS))]
    kind = chance.integers(4)
    for number, row in enumerate(rows):
        if kind == 0:
            del row[place]
        elif kind == 1:
            row.insert(place, row[place])
        elif kind == 2:
            row.insert(place, "1" if number else name)
        elif not number:
            row[place] = name
    return _text(rows).encode()


def _encoded(rows: Rows, chance: np.random.Generator) -> bytes:
    separator = ";\t|, "[chance.integers(5)]
    end = ("\n", "\r", "\r\n", "\n\n", "\x85", "\u2028", "\x0c")[chance.integers(7)]
    codes = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp037", "utf-7")
    text = _text(rows, separator).replace("\r\n", end).replace("dry", "d\xfcrr")
    return text.encode(codes[chance.integers(len(codes))], "replace")


def _bytes(rows: Rows, chance: np.random.Generator) -> bytes:
    return damaged(_text(rows).encode(), _text(_long()).encode(), chance)[1]


def _parquet(rows: Rows, chance: np.random.Generator) -> bytes:
    table = pd.DataFrame(rows[1:], columns=rows[0])
    odd = (pd.NaT, None, [1, 2], {"a": 1}, b"\xff", 1j, pd.Timestamp.max, float("nan"))
    column = table.columns[chance.integers(len(table.columns))]
    stream = BytesIO()
    try:
        changed = table.assign(**{column: [odd[chance.integers(len(odd))]] * len(table)})
        changed.to_parquet(stream)
    except (TypeError, ValueError, ArrowException):  # Parquet has no such cells
        table.to_parquet(stream)
    data = stream.getvalue()
    return data if chance.integers(2) else data[:4] + damaged(data[4:], data, chance)[1]


_WAYS: dict[str, Callable[[Rows, np.random.Generator], bytes]] = {
    "cells": _cells,
    "lines": _lines,
    "columns": _columns,
    "another encoding": _encoded,
    "bytes": _bytes,
    "Parquet": _parquet,
}


def large_tables() -> Iterator[Item]:
    """Up to a million rows, well and not."""
    head = "image_path,date,mass_g,dead_g\n"
    rows = [f"far/p{number}.png,2024-05-{number % 28 + 1},3,1\n" for number in range(100_000)]
    wide = ",".join(f"c{number}" for number in range(2_000))
    texts = {
        "a hundred thousand rows": head + "".join(rows),
        "a million bad rows": head + "photo0.png,2024-05-01,x,-1\n" * 10**6,
        "a line of 10 MB": "x" * 10_000_000,
        "a hundred thousand columns": "," * 100_000 + "\n1",
        "two thousand columns": f"{head.strip()},{wide}\nphoto0.png,2024-05-01,1,1{',2' * 2_000}",
        "an open quotation": head + '"' + "a,b\n" * 10**6,
    }
    for name, text in texts.items():
        yield Item(name, (text.encode(), "labels.csv", WIDE), limit_s=_MILLION_S)
