"""One partition a fold or a protocol, and the lineage of a model: every fold but its own."""

from collections.abc import Sequence

import dagster as dg


def fold_partitions(n_folds: int) -> dg.StaticPartitionsDefinition:
    """Partitions `0` to `n_folds - 1`; partition k holds the photos held out in fold k."""
    return dg.StaticPartitionsDefinition([str(fold) for fold in range(n_folds)])


def protocol_partitions(keys: Sequence[str]) -> dg.StaticPartitionsDefinition:
    """One partition a validation protocol; its key names all that decides it."""
    return dg.StaticPartitionsDefinition(list(keys))


def other_folds(n_folds: int) -> dg.StaticPartitionMapping:
    """Model k reads every partition but k."""
    keys = [str(fold) for fold in range(n_folds)]
    return dg.StaticPartitionMapping({up: [down for down in keys if down != up] for up in keys})
