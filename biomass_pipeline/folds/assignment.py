"""Sticky group folds: a group is assigned once and stays when photos are added."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from biomass_pipeline.config import FoldsConfig, fingerprint
from biomass_pipeline.errors import EmptyFoldError, FoldCountError


@dataclass(frozen=True)
class FoldAssignment:
    """The fold of each photo, and the ledger that keeps groups where they are.

    Attributes:
        table: Columns `image_id, group, fold`, one row a photo, in the order given.
        ledger: Columns `group, fold, rule`; groups whose photos vanished are remembered.
    """

    table: pd.DataFrame
    ledger: pd.DataFrame


def assign_folds(
    images: pd.DataFrame,
    *,
    spec: FoldsConfig,
    ledger: pd.DataFrame | None,
    group_columns: tuple[str, ...] = (),
) -> FoldAssignment:
    """Give every group a fold; groups in the ledger keep theirs.

    New groups go, stratum by stratum of their mean total and the largest first, to the fold with
    the fewest photos; ties go to the fold with the fewest groups of that stratum, then by a draw
    that depends on the seed and the group's name alone. Assigned all at once, two folds differ by
    at most the largest group.

    Args:
        images: Columns `image_id, group, total`, one row a photo.
        spec: Strategy, number of folds, seed.
        ledger: What the last call returned. Entries of another rule (strategy, number of folds,
            seed or group columns changed) are ignored.
        group_columns: The columns behind `group`, part of the rule.

    Raises:
        FoldCountError: There are fewer groups than folds, or, leaving one group out, another
            number of groups than folds.
        EmptyFoldError: All groups that a fold was given have vanished.
    """
    groups = _summary(images, spec)
    _check_count(groups, spec)
    rule = fingerprint(spec.strategy, spec.n_folds, spec.seed, list(group_columns))
    known = _known(ledger, rule=rule)
    present = {group: fold for group, fold in known.items() if group in groups.index}
    if spec.strategy == "leave_one_group_out":
        # A group that comes back may find its fold taken: the earlier entry keeps it.
        holders = {fold: group for group, fold in reversed(present.items())}
        present = {group: fold for fold, group in holders.items()}
    folds = {**present, **_place(groups, present, spec=spec)}
    table = images[["image_id", "group"]].reset_index(drop=True)
    table = table.assign(fold=table["group"].map(folds))
    empty = sorted(set(range(spec.n_folds)) - set(table["fold"]))
    if empty:
        raise EmptyFoldError(empty)
    kept = {**known, **folds}
    entries = pd.DataFrame({"group": list(kept), "fold": list(kept.values()), "rule": rule})
    if ledger is not None:
        # Going back to an earlier rule finds its folds again.
        entries = pd.concat([ledger[ledger["rule"] != rule], entries], ignore_index=True)
    return FoldAssignment(
        table=table.astype({"image_id": "str", "group": "str", "fold": "int64"}),
        ledger=entries.astype({"group": "str", "fold": "int64", "rule": "str"}),
    )


def _summary(images: pd.DataFrame, spec: FoldsConfig) -> pd.DataFrame:
    """One row a group: `size`, `stratum` (quantile bin of the mean total, from 0)."""
    grouped = images.groupby("group", sort=True)["total"]
    size, total = grouped.size(), grouped.mean().to_numpy()
    ranks = np.argsort(np.argsort(total, kind="stable"), kind="stable")
    stratum = ranks * spec.n_folds // max(len(total), 1)
    return pd.DataFrame({"size": size.to_numpy(), "stratum": stratum}, index=size.index)


def _check_count(groups: pd.DataFrame, spec: FoldsConfig) -> None:
    exact = spec.strategy == "leave_one_group_out"
    if len(groups) < spec.n_folds or (exact and len(groups) != spec.n_folds):
        raise FoldCountError(
            strategy=spec.strategy,
            n_folds=spec.n_folds,
            groups=[str(name) for name in groups.index],
        )


def _known(ledger: pd.DataFrame | None, *, rule: str) -> dict[str, int]:
    if ledger is None:
        return {}
    valid = ledger[ledger["rule"] == rule]
    return {str(g): int(fold) for g, fold in zip(valid["group"], valid["fold"], strict=True)}


def _place(groups: pd.DataFrame, present: dict[str, int], *, spec: FoldsConfig) -> dict[str, int]:
    """Put each new group into the emptiest fold."""
    photos = np.zeros(spec.n_folds, dtype=np.int64)
    strata = np.zeros((spec.n_folds, spec.n_folds), dtype=np.int64)
    sizes, bins = groups["size"].to_dict(), groups["stratum"].to_dict()
    for group, fold in present.items():
        photos[fold] += sizes[group]
        strata[bins[group], fold] += 1
    draws = {str(group): _draws(str(group), spec) for group in groups.index.difference([*present])}
    folds: dict[str, int] = {}
    for group in sorted(draws, key=lambda name: (bins[name], -sizes[name], draws[name][0])):
        fold = int(np.lexsort((draws[group][1:], strata[bins[group]], photos))[0])
        folds[group] = fold
        photos[fold] += sizes[group]
        strata[bins[group], fold] += 1
    return folds


def _draws(group: str, spec: FoldsConfig) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """One draw for the order and one a fold; other groups do not change them."""
    digest = hashlib.sha256(group.encode()).digest()
    generator = np.random.default_rng([spec.seed, int.from_bytes(digest[:8], "big")])
    return generator.random(spec.n_folds + 1)
