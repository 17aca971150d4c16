"""One fold's held-out predictions at a glance: a score a model, and what each group came out as."""

import numpy as np
import pandas as pd

from biomass_pipeline.config import DataConfig
from biomass_pipeline.errors import UndefinedScoreError
from biomass_pipeline.scoring import weighted_r2


def fold_scores(table: pd.DataFrame, *, data: DataConfig) -> pd.DataFrame:
    """Score each model on some held-out photos.

    A fold holds few groups: its R2 is far from that of the pooled predictions, and may be negative.

    Args:
        table: `image_id, target, y_true, y_pred, model`.
        data: The targets and their weights.

    Returns:
        Columns `model`, `R2` (global, weighted; NaN where the labels have no spread) and one a
        target: its RMSE in the target's unit. In the order of the table.
    """
    return pd.DataFrame(
        [
            {
                "model": model,
                "R2": _r2(rows, data),
                **{f"RMSE {t.name} ({t.unit})": _rmse(rows, t.name) for t in data.targets},
            }
            for model, rows in table.groupby("model", sort=False)
        ]
    )


def group_scores(table: pd.DataFrame, *, data: DataConfig, model: str) -> pd.DataFrame:
    """Compare what was measured and predicted of the heaviest target in each group.

    Args:
        table: `image_id, group, target, y_true, y_pred, model`.
        data: The targets and their units.
        model: Whose predictions.

    Returns:
        Columns `group`, `photos`, and in the target's unit its mean measured, mean predicted and
        RMSE; by group.
    """
    name = data.heaviest_target
    unit = next(target.unit for target in data.targets if target.name == name)
    rows = table[(table["model"] == model) & (table["target"] == name)]
    return pd.DataFrame(
        [
            {
                "group": group,
                "photos": int(part["image_id"].nunique()),
                f"{name} measured ({unit})": float(part["y_true"].mean()),
                f"predicted ({unit})": float(part["y_pred"].mean()),
                f"RMSE ({unit})": _rmse(part, name),
            }
            for group, part in rows.groupby("group")
        ]
    )


def _r2(rows: pd.DataFrame, data: DataConfig) -> float:
    wide = rows.set_index(["image_id", "target"])[["y_true", "y_pred"]].unstack("target")  # noqa: PD010  # pivot_table would average a repeated row
    names = list(data.target_names)
    true, pred = (wide[column][names].to_numpy(dtype=float) for column in ("y_true", "y_pred"))
    try:
        return weighted_r2(true, pred, targets=names, weights=data.target_weights)
    except UndefinedScoreError:
        return float("nan")


def _rmse(rows: pd.DataFrame, target: str) -> float:
    part = rows[rows["target"] == target]
    return float(np.sqrt(((part["y_pred"] - part["y_true"]) ** 2).mean()))
