"""The data audit: copies, sums that do not add up, unusual labels, and photos with faults."""

from dataclasses import dataclass
from typing import Final

import pandas as pd

from biomass_pipeline.config import DataConfig
from biomass_pipeline.evaluation import check_label_outliers
from biomass_pipeline.manifest import LIKELY_BITS, near_duplicates
from biomass_pipeline.reporting.album import Album
from biomass_pipeline.reporting.photo_faults import photo_faults
from biomass_pipeline.reporting.table import Head, Row, Table, count, number, text_table

_SHOWN: Final = 50
_BITS: Final = 64


@dataclass(frozen=True)
class Audit:
    """One thing that was looked for.

    Attributes:
        title: What.
        sentence: What was found, in words.
        table: Each case; None where there can be none.
        odd: Whether somebody should look.
    """

    title: str
    sentence: str
    table: Table | None
    odd: bool


def audit_data(
    manifest: pd.DataFrame, labels: pd.DataFrame | None, album: Album, *, data: DataConfig
) -> list[Audit]:
    """Say what was looked for in photos and labels, a sentence and a table each.

    Args:
        manifest: One row a photo.
        labels: One row a labelled photo; None: nothing is looked for.
        album: What looking at the photos gave.
        data: Targets, sums and groups.
    """
    if labels is None:
        return []
    known = manifest[["image_id", "sha256", "perceptual_hash"]].merge(labels, on="image_id")
    found = [_copies(known, data), _sums(labels, data), _outliers(labels, data)]
    if album.qualities or album.unreadable:
        found.append(_faults(album))
    return found


def _copies(known: pd.DataFrame, data: DataConfig) -> Audit:
    """Pairs that show the same picture, in one group or in two."""
    # Each photo as a group of its own, so that copies within a group are found as well.
    pairs = near_duplicates(known.assign(group=known["image_id"]).fillna({"perceptual_hash": ""}))
    by_id = known.set_index("image_id")
    target = data.heaviest_target
    rows = []
    for first, second, bits, same in pairs.head(_SHOWN).itertuples(index=False):
        groups = by_id["group"].loc[[first, second]]
        rows.append(
            Row(
                (Head(str(first)), Head(str(second))),
                (
                    "same bytes" if same else f"{bits} of {_BITS} bits differ",
                    "one" if groups.iloc[0] == groups.iloc[1] else "two: a leak",
                    number(abs(by_id[target][first] - by_id[target][second])),
                ),
            )
        )
    table = Table(
        f"Photos that look the same, likest first, and how far their {target} is apart.",
        ("Photo", "Copy", "Alike", "Groups", "Labels apart"),
        tuple(rows),
        left_out=max(len(pairs) - _SHOWN, 0),
    )
    told = (
        f"{count(len(pairs))} pairs of photos show the same picture (at most {LIKELY_BITS} of "
        f"{_BITS} bits of their perceptual hashes differ)."
        if len(pairs)
        else f"No two photos show the same picture: all perceptual hashes differ in more than "
        f"{LIKELY_BITS} of {_BITS} bits."
    )
    return Audit("Copies", told, table, odd=len(pairs) > 0)


def _sums(labels: pd.DataFrame, data: DataConfig) -> Audit:
    """Photos whose total is not the sum of its parts."""
    if not data.identities:
        return Audit("Sums", "No target is a sum of others.", None, odd=False)
    rows = []
    for name, parts in data.identities.items():
        total = labels[list(parts)].sum(axis=1)
        gap = (labels[name] - total).abs()
        rows += [
            (float(apart), str(image), name, float(stated), float(summed), " + ".join(parts))
            for image, apart, stated, summed in zip(
                labels["image_id"], gap, labels[name], total, strict=True
            )
            if apart > data.identity_tolerance
        ]
    rows.sort(key=lambda row: (-row[0], row[1]))
    table = Table(
        "Totals that are not the sum of their parts, the largest gap first.",
        ("Photo", "Target", "Stated", "Sum of parts", "Apart"),
        tuple(
            Row((Head(image), Head(name)), (number(stated), number(summed), number(apart)))
            for apart, image, name, stated, summed, _ in rows[:_SHOWN]
        ),
        left_out=max(len(rows) - _SHOWN, 0),
    )
    said = "; ".join(f"{name} = {' + '.join(parts)}" for name, parts in data.identities.items())
    told = f"In {count(len(rows))} cases a total" if rows else "No total"
    sentence = f"{told} is off by more than {data.identity_tolerance:g} ({said})."
    return Audit("Sums", sentence, table, odd=bool(rows))


def _outliers(labels: pd.DataFrame, data: DataConfig) -> Audit:
    """Labels unlike those beside them."""
    finding = check_label_outliers(labels, data)
    lines = [
        [str(what), str(target), number(value), number(usual), number(sds, digits=2)]
        for what, target, value, usual, sds in zip(
            *(finding.table[name] for name in ("what", "target", "value", "usual", "sds")),
            strict=True,
        )
    ]
    table = text_table(
        "Labels far from what is usual in their group, in robust standard deviations.",
        ["What", "Target", "Label", "Usual", "Standard deviations"],
        lines,
        shown=_SHOWN,
    )
    return Audit("Unusual labels", finding.sentence, table, odd=bool(lines))


def _faults(album: Album) -> Audit:
    """Blur, exposure, borders and stamps."""
    faults = photo_faults(album.qualities)
    lines = [[fault.image_id, fault.fault, fault.found] for fault in faults]
    lines += [
        [name, "could not be looked at", why] for name, why in sorted(album.unreadable.items())
    ]
    n_odd = len({line[0] for line in lines})
    told = (
        f"{count(n_odd)} of {count(len(album.qualities) + len(album.unreadable))} photos have a "
        f"plain fault."
        if lines
        else f"None of {count(len(album.qualities))} photos is blurred, badly exposed, framed or "
        f"stamped as far as a quick look can tell."
    )
    table = text_table(
        "Photos with a plain fault, found at a reduced size.", ["Photo", "Fault", "Found"], lines
    )
    return Audit("Blur, exposure, borders and stamps", told, table, odd=bool(lines))
