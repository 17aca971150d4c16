"""Ways to part labelled photos into those to learn from and those to predict. Tables only."""

import hashlib
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.config import FoldsConfig
from biomass_pipeline.errors import ProtocolColumnError
from biomass_pipeline.folds import assign_folds

Bools = NDArray[np.bool_]

# One group is set aside to stop and calibrate by, so one alone teaches nothing.
MIN_GROUPS = 2


@dataclass(frozen=True)
class Split:
    """Photos to learn from, and photos to predict.

    Attributes:
        name: Distinct within a plan: the fold, the value left out, or the block of dates.
        train_ids: Images, in the order of the labels.
        test_ids: Images, in the order of the labels; none of `train_ids`.
    """

    name: str
    train_ids: tuple[str, ...]
    test_ids: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The splits that the labels allow, and what had to be left out and why.

    Attributes:
        splits: Every image is predicted in one of them at most.
        remarks: Sentences for the reader.
    """

    splits: tuple[Split, ...]
    remarks: tuple[str, ...] = ()


def grouped_plan(labels: pd.DataFrame, *, n_folds: int, seed: int) -> Plan:
    """Group k-fold, dealt afresh for a seed: no group is on both sides.

    The ledger's folds are dealt by size and mean label, which leaves chance so little to decide
    that several seeds can agree. Here the seed alone decides the order in which groups go to the
    emptiest fold, so that repeats differ and their spread means something.

    Args:
        labels: Columns `image_id` and `group`, one row a photo.
        n_folds: Number of parts.
        seed: Of the dealing.

    Raises:
        FoldCountError: There are fewer groups than folds.
    """
    return _dealt(labels, units=labels["group"], n_folds=n_folds, seed=seed)


def random_plan(labels: pd.DataFrame, *, n_folds: int, seed: int) -> Plan:
    """Random k-fold: photos of a group on both sides, hence optimistic.

    Args:
        labels: Column `image_id`, one row a photo.
        n_folds: Number of parts.
        seed: Of the dealing.

    Raises:
        FoldCountError: There are fewer photos than folds.
    """
    return _dealt(labels, units=labels["image_id"], n_folds=n_folds, seed=seed)


def left_out_plan(labels: pd.DataFrame, *, column: str) -> Plan:
    """Leave the photos of one value out, value by value.

    A group with photos of that value and of others is predicted in part and not learnt from.

    Args:
        labels: Columns `image_id`, `group` and the one named, one row a photo.
        column: Whose values are left out in turn.

    Raises:
        ProtocolColumnError: The labels have no such column.
    """
    if column not in labels.columns:
        raise ProtocolColumnError(column, [str(name) for name in labels.columns])
    values = _texts(labels[column])
    pairs = pd.DataFrame({"group": labels["group"], "value": values}).drop_duplicates()
    known = sorted(set(values) - {""})
    if len(known) < MIN_GROUPS:
        return Plan((), (f"`{column}` has {len(known)} value(s): leaving one out leaves none.",))
    if len(pairs) == len(known) == labels["group"].nunique():
        return Plan((), (f"Each group has a value of `{column}` of its own, as with group folds.",))
    tests = {value: (values == value).to_numpy() for value in known}
    plan = _held_out(labels, tests, earlier={})
    if unknown := int((values == "").sum()):
        remark = f"{unknown} photo(s) without a value of `{column}` are never predicted."
        return Plan(plan.splits, (remark, *plan.remarks))
    return plan


def forward_plan(labels: pd.DataFrame, *, column: str, n_parts: int) -> Plan:
    """Learn from the past and predict what comes next, block by block.

    The distinct dates are cut into `n_parts` + 1 blocks of about equally many. Each block but the
    first is predicted from all earlier photos; a group that goes on into the block is not learnt
    from.

    Args:
        labels: Columns `image_id`, `group` and dates as `2015-09-04`, one row a photo.
        column: The dates.
        n_parts: Blocks to predict; fewer if there are fewer dates.
    """
    if column not in labels.columns:
        return Plan((), (f"The labels have no column `{column}` of dates to go forward by.",))
    dates = _texts(labels[column])
    days = sorted(set(dates) - {""})
    if len(days) < MIN_GROUPS:
        return Plan((), (f"`{column}` has {len(days)} date(s): there is no later one to predict.",))
    blocks = [list(block) for block in np.array_split(days, min(n_parts + 1, len(days)))]
    tests = {f"{block[0]}_{block[-1]}": dates.isin(block).to_numpy() for block in blocks[1:]}
    earlier = {
        name: ((dates != "") & (dates < block[0])).to_numpy()
        for name, block in zip(tests, blocks[1:], strict=True)
    }
    plan = _held_out(labels, tests, earlier=earlier)
    first = int(dates.isin(blocks[0]).sum())
    remarks = [f"The {first} photo(s) up to {blocks[0][-1]} are learnt from and never predicted."]
    if len(blocks) <= n_parts:
        remarks.append(f"{len(days)} dates allow {len(blocks) - 1} of {n_parts} blocks.")
    if undated := int((dates == "").sum()):
        remarks.append(f"{undated} photo(s) without a date are left out.")
    return Plan(plan.splits, (*remarks, *plan.remarks))


def _dealt(labels: pd.DataFrame, *, units: "pd.Series[str]", n_folds: int, seed: int) -> Plan:
    """Deal units (groups or photos) in an order of chance, each to the emptiest fold."""
    names = sorted(units.unique())
    places = np.random.default_rng(seed).permutation(len(names)).astype(float)
    # `assign_folds` goes by the quantile of this column first: drawn, it is an order of chance.
    order: Mapping[Hashable, float] = dict(zip(names, places, strict=True))
    images = pd.DataFrame(
        {"image_id": labels["image_id"], "group": units, "total": units.map(order)}
    )
    spec = FoldsConfig(n_folds=n_folds, seed=seed)
    folds = assign_folds(images, spec=spec, ledger=None).table["fold"].to_numpy()
    ids = labels["image_id"].to_numpy()
    return Plan(
        tuple(
            Split(str(fold), tuple(ids[folds != fold]), tuple(ids[folds == fold]))
            for fold in range(n_folds)
        )
    )


def _held_out(
    labels: pd.DataFrame,
    tests: Mapping[str, Bools],
    *,
    earlier: Mapping[str, Bools],
) -> Plan:
    """Predict each part from the photos outside it (or the earlier ones) of other groups."""
    splits, remarks = [], []
    ids, groups = labels["image_id"].to_numpy(), labels["group"].to_numpy()
    for name, test in tests.items():
        outside = earlier.get(name, ~test)
        train = outside & ~np.isin(groups, np.unique(groups[test]))
        if straddling := int(outside.sum() - train.sum()):
            remarks.append(
                f"{name}: {straddling} photo(s) are not learnt from, since others of their groups "
                f"are predicted."
            )
        if len(np.unique(groups[train])) < MIN_GROUPS:
            remarks.append(
                f"{name}: {int(test.sum())} photo(s) are not predicted, since fewer than "
                f"{MIN_GROUPS} groups are left to learn from."
            )
            continue
        splits.append(Split(name, tuple(ids[train]), tuple(ids[test])))
    return Plan(tuple(splits), tuple(remarks))


def _texts(cells: "pd.Series[str]") -> "pd.Series[str]":
    """Cells as text, missing ones empty."""
    return cells.astype("object").where(cells.notna(), "").astype(str)


def plain_name(name: str) -> str:
    """A name of letters, digits, `.`, `_` and `-`; one that had to be changed keeps its own mark.

    >>> plain_name("Sampling_Date")
    'Sampling_Date'
    >>> plain_name("plot no")
    'plot_no-3a93725a'
    """
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    if plain == name:
        return name
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
