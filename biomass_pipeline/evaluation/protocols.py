"""Validation protocols: ways to hold photos out, each with the question that it answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from biomass_pipeline.config import Config
from biomass_pipeline.errors import OverlappingSplitError, UnlabelledBagError
from biomass_pipeline.evaluation.learning_curve import partial_plan
from biomass_pipeline.evaluation.split_models import Predictor, SplitModels
from biomass_pipeline.evaluation.splits import (
    Plan,
    Split,
    forward_plan,
    grouped_plan,
    left_out_plan,
    plain_name,
    random_plan,
)
from biomass_pipeline.store.bags import FeatureSet

Kind = Literal["grouped", "leave-out", "forward", "random", "learning-curve"]
KINDS: tuple[Kind, ...] = get_args(Kind)

PROTOCOL_COLUMNS = (
    "key",
    "kind",
    "split",
    "image_id",
    "group",
    "target",
    "y_true",
    "y_pred",
    "y_lower",
    "y_upper",
    "model",
    "n_train_groups",
)
_PREDICTED = ("image_id", "target", "y_pred", "y_lower", "y_upper")


@dataclass(frozen=True)
class Protocol:
    """One way to hold photos out.

    Attributes:
        key: Names all that decides the splits, in letters, digits, `.`, `_` and `-`.
        kind: The question: new groups, a new value of a column, the future, photos of known groups
            (which is optimistic), or fewer groups to learn from.
        family: The key without its seed: protocols that differ in the seed alone are repeats.
        n_parts: Folds, or blocks of dates to predict.
        seed: Of the dealing, and added to that of training.
        column: Whose values are left out, or the dates.
        share: Of the training groups, for a learning curve.
    """

    key: str
    kind: Kind
    family: str
    n_parts: int = 0
    seed: int = 0
    column: str = ""
    share: float = 1.0

    @property
    def optimistic(self) -> bool:
        """Whether photos of one group are on both sides."""
        return self.kind == "random"

    def plan(self, labels: pd.DataFrame) -> Plan:
        """The splits and what had to be left out.

        Args:
            labels: One row a photo: `image_id`, `group`, and the columns that are asked about.

        Raises:
            FoldCountError: There are fewer groups than folds.
            ProtocolColumnError: There is no column of that name.
        """
        if self.kind == "leave-out":
            return left_out_plan(labels, column=self.column)
        if self.kind == "forward":
            return forward_plan(labels, column=self.column, n_parts=self.n_parts)
        if self.optimistic:
            return random_plan(labels, n_folds=self.n_parts, seed=self.seed)
        whole = grouped_plan(labels, n_folds=self.n_parts, seed=self.seed)
        return partial_plan(whole, labels, share=self.share, seed=self.seed)

    def splits(self, labels: pd.DataFrame) -> Iterator[Split]:
        """The splits alone; see `plan`."""
        yield from self.plan(labels).splits


def protocols_of(config: Config) -> tuple[Protocol, ...]:
    """All protocols that the configuration asks for, in the order of `KINDS`."""
    return (
        *_seeded(config, "grouped", "group-k-fold", _group_seeds(config)),
        *_left_out(config),
        *_forward(config),
        *_seeded(config, "random", "random", config.evaluation.protocols.random_seeds),
        *(
            replace(protocol, share=share)
            for share in config.evaluation.protocols.learning_curve
            for protocol in _seeded(
                config, "learning-curve", f"learning-curve-{share:g}", _group_seeds(config)
            )
        ),
    )


def run_protocol(
    protocol: Protocol,
    features: FeatureSet,
    labels: pd.DataFrame,
    *,
    config: Config,
    device: str = "cpu",
    folder: Path | None = None,
) -> pd.DataFrame:
    """Train every model on each split and predict the photos that it holds out.

    `training.n_seeds` is replaced by `evaluation.protocols.n_networks`, and the protocol's seed is
    added to `training.seed`.

    Args:
        protocol: How photos are held out.
        features: Of all folds together.
        labels: One row a photo: `image_id`, `group`, the targets, other columns. Photos without
            features (quarantined since) take no part.
        config: Targets, training, evaluation.
        device: As PyTorch names it.
        folder: Where each split's checkpoints are for as long as it takes; they are removed. The
            system's own folder of temporary files if None.

    Returns:
        The columns of `PROTOCOL_COLUMNS`, by split, model, image and target; no row if the plan
        has no split (`Protocol.plan` says why).

    Raises:
        UnlabelledBagError: A photo has features and no label.
        OverlappingSplitError: A group or a photo is on both sides of a split that promises
            otherwise.
    """
    strangers = sorted(set(features.image_ids) - set(labels["image_id"]))
    if strangers:
        raise UnlabelledBagError(strangers)
    known = labels[labels["image_id"].isin(features.image_ids)].reset_index(drop=True)
    # Whoever deals photos at random does so within the training photos as well: there, too, each
    # photo counts as a group of its own. Otherwise the inner group splits would hide the optimism.
    told = known.assign(group=known["image_id"]) if protocol.optimistic else known
    models = SplitModels.of(features, told, config=config, device=device, folder=folder)
    return hold_out(
        protocol, known, predictor=models.seeded(protocol.seed), targets=config.data.target_names
    )


def hold_out(
    protocol: Protocol, labels: pd.DataFrame, *, predictor: Predictor, targets: Sequence[str]
) -> pd.DataFrame:
    """Go through a protocol's splits; all are checked before anything is trained.

    Args:
        protocol: How photos are held out.
        labels: One row a photo: `image_id`, `group`, the targets, other columns.
        predictor: What learns and predicts.
        targets: The targets.

    Returns:
        As `run_protocol`.

    Raises:
        OverlappingSplitError: A group or a photo is on both sides of a split.
    """
    splits = protocol.plan(labels).splits
    for split in splits:
        check_apart(protocol, split, labels)
    parts = [
        _rows(protocol, split, labels, predicted=predictor.frames(split), targets=targets)
        for split in splits
    ]
    return pd.concat(parts, ignore_index=True) if parts else _no_rows()


def check_apart(protocol: Protocol, split: Split, labels: pd.DataFrame) -> None:
    """Refuse a split that learns from what it predicts.

    Args:
        protocol: It promises that no group is on both sides, unless it is optimistic.
        split: One of its splits.
        labels: Columns `image_id` and `group`.

    Raises:
        OverlappingSplitError: A photo, or a group, is on both sides.
    """
    sides = [set(split.train_ids), set(split.test_ids)]
    groups = [set(labels.loc[labels["image_id"].isin(side), "group"]) for side in sides]
    both = {"photo": set.intersection(*sides), "group": set.intersection(*groups)}
    for what in ("photo",) if protocol.optimistic else ("photo", "group"):
        if both[what]:
            names = sorted(both[what])
            raise OverlappingSplitError(protocol.key, split=split.name, what=what, names=names)


def _rows(
    protocol: Protocol,
    split: Split,
    labels: pd.DataFrame,
    *,
    predicted: Mapping[str, pd.DataFrame],
    targets: Sequence[str],
) -> pd.DataFrame:
    """One split's predictions beside what was measured."""
    measured = labels[["image_id", "group", *targets]].melt(
        id_vars=["image_id", "group"],
        value_vars=list(targets),
        var_name="target",
        value_name="y_true",
    )
    found = [frame[list(_PREDICTED)].assign(model=model) for model, frame in predicted.items()]
    n_groups = labels.loc[labels["image_id"].isin(split.train_ids), "group"].nunique()
    table = pd.concat(found, ignore_index=True).merge(
        measured, on=["image_id", "target"], how="left", validate="many_to_one"
    )
    told = table.assign(
        key=protocol.key, kind=protocol.kind, split=split.name, n_train_groups=n_groups
    )
    return told[list(PROTOCOL_COLUMNS)].astype({"model": "str", "n_train_groups": "int64"})


def _no_rows() -> pd.DataFrame:
    numbers = {"y_true", "y_pred", "y_lower", "y_upper"}
    kinds = {name: "float64" if name in numbers else "str" for name in PROTOCOL_COLUMNS}
    return pd.DataFrame(columns=list(PROTOCOL_COLUMNS)).astype(kinds | {"n_train_groups": "int64"})


def _seeded(config: Config, kind: Kind, stem: str, n_seeds: int) -> Iterator[Protocol]:
    n_folds = config.folds.n_folds
    family = f"{stem}-{n_folds}"
    for seed in range(n_seeds):
        yield Protocol(f"{family}-seed-{seed}", kind, family, n_parts=n_folds, seed=seed)


def _group_seeds(config: Config) -> int:
    """With one group a fold every dealing is the same: one will do."""
    wanted = config.evaluation.protocols.group_seeds
    return min(wanted, 1) if config.folds.strategy == "leave_one_group_out" else wanted


def _left_out(config: Config) -> Iterator[Protocol]:
    wanted = config.evaluation.protocols.leave_out
    if wanted == "auto":
        data = config.data
        wanted = tuple(name for name in data.group_columns if name != data.date_column)
    for column in dict.fromkeys(wanted):
        key = f"leave-out-{plain_name(column)}"
        yield Protocol(key, "leave-out", key, column=column)


def _forward(config: Config) -> Iterator[Protocol]:
    n_parts, column = config.evaluation.protocols.forward_parts, config.data.date_column
    if n_parts and column is not None:
        key = f"forward-{n_parts}"
        yield Protocol(key, "forward", key, n_parts=n_parts, column=column)
