"""The epochs of trained networks, as their logs remember them. No torch."""

from pathlib import Path

import pandas as pd

from biomass_pipeline.mil.provenance import seed_checkpoint

_COLUMNS = ["epoch", "train_loss", "inner_error", "inner_r2"]


def read_histories(folder: Path) -> dict[int, pd.DataFrame]:
    """Read what the training of a fold's networks logged as CSV.

    Args:
        folder: Of the fold's checkpoints.

    Returns:
        By network, from 0, a row an epoch: `epoch` from 0; `train_loss`; `inner_error`, the
        weighted squared error of the inner photos in grams squared; `inner_r2`, their global
        weighted R2, NaN where it has no value. Networks without a log are left out, as
        `compute.training_logs` may ask for.
    """
    found = {}
    number = 0
    while seed_checkpoint(folder, number).exists():
        path = folder / "logs" / seed_checkpoint(folder, number).stem / "csv" / "metrics.csv"
        if path.exists():
            rows = pd.read_csv(path).reindex(columns=_COLUMNS)
            found[number] = rows.dropna(subset=["epoch"]).reset_index(drop=True)
        number += 1
    return found
