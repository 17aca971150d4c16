"""Tables: each against its seal, and against the table that it was made of."""

from collections.abc import Iterator

import pandas as pd

from biomass_pipeline.audit.condition import RESTORE, RUN, Condition, State
from biomass_pipeline.audit.ground import Ground
from biomass_pipeline.layout import Layout

_LEDGER_LOST = f"{RESTORE}, or delete it: known groups are then dealt to folds anew"
_SHOWN = 3


def audit_door(ground: Ground) -> Iterator[Condition]:
    """Photos, labels and folds."""
    layout = ground.layout
    for name in ("image_manifest", "label_table", "fold_assignment"):
        yield fitting(ground, ground.table(layout.table(name), (name, None)))
    ledger = layout.table("fold_ledger")
    yield ground.table(ledger, ("fold_assignment", None), remedy=_LEDGER_LOST)
    for fold in ground.folds:
        path = layout.partitioned_table("patch_index", fold)
        found = ground.table(path, ("patch_index", str(fold)))
        yield fitting(ground, found, fold=fold)


def audit_optional(ground: Ground) -> Iterator[Condition]:
    """Tables that are made when somebody asks for them: those that are there."""
    for name in ("protocol_predictions", "tuning_study"):
        folder = ground.layout.partitioned_table(name, 0).parent
        for path in sorted(folder.glob("*.parquet")):
            yield ground.table(path, (name, path.stem.removeprefix("fold_")))


def fitting(ground: Ground, found: Condition, *, fold: int | None = None) -> Condition:
    """The same condition, unless the table holds other photos than what it is made of."""
    layout = ground.layout
    table = ground.tables.get(found.name)
    wanted = _wanted(ground, layout, found.name, fold)
    if table is None or wanted is None or found.state.is_fault:
        return found
    source, expected = wanted
    if (problem := difference(set(table["image_id"]), expected)) == "":
        return found
    return Condition(found.name, State.UNFIT, f"unlike {source}, it {problem}", RUN)


def difference(found: set[str], expected: set[str]) -> str:
    """Which photos are lacking or too many, in words; empty if none is."""
    lacking, strange = sorted(expected - found), sorted(found - expected)
    parts = [f"lacks {_listed(lacking)}"] if lacking else []
    parts += [f"has {_listed(strange)}"] if strange else []
    return " and ".join(parts)


def _wanted(
    ground: Ground, layout: Layout, name: str, fold: int | None
) -> tuple[str, set[str]] | None:
    """The photos that a table must have, and what says so; None where nothing does."""
    manifest, labels, folds = (
        ground.kept(layout.table(each))
        for each in ("image_manifest", "label_table", "fold_assignment")
    )
    if name == layout.name(layout.table("label_table")) and manifest is not None:
        ok = manifest[(manifest["status"] == "ok") & manifest["labelled"].astype(bool)]
        return "image_manifest.parquet", set(ok["image_id"])
    if name == layout.name(layout.table("fold_assignment")) and labels is not None:
        return "label_table.parquet", set(labels["image_id"])
    if fold is not None and folds is not None:
        return "fold_assignment.parquet", _held_out(folds, fold)
    return None


def _held_out(folds: pd.DataFrame, fold: int) -> set[str]:
    return set(folds.loc[folds["fold"] == fold, "image_id"])


def _listed(names: list[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
