"""Which model predicts a fold, carried beside its predictions so that a report can say why."""

import pandas as pd

from biomass_pipeline.evaluation.scoreboard import Selection
from biomass_pipeline.mil.stack import Choice

AUTO = "auto"


def with_choice(predictions: pd.DataFrame, choice: Choice) -> pd.DataFrame:
    """A fold's predictions with `chosen`, what auto took, and `inner_r2`, each model's inner score.

    Args:
        predictions: Column `model`.
        choice: What was chosen without the fold.
    """
    return predictions.assign(
        chosen=choice.model,
        inner_r2=predictions["model"].map(dict(choice.scores)).astype("float64"),
    )


def selection_of(oof: pd.DataFrame, model: str) -> Selection:
    """What `with_choice` noted, by fold.

    Args:
        oof: Out-of-fold predictions with `fold, model, chosen, inner_r2`.
        model: As `training.model`.
    """
    told = oof.drop_duplicates(["fold", "model"])
    return Selection(
        model=model,
        choices={int(rows["fold"].iloc[0]): _choice(rows) for _, rows in told.groupby("fold")},
    )


def _choice(rows: pd.DataFrame) -> dict[str, object]:
    """One fold's choice; scores are none where the inner labels were all alike."""
    scored = rows.dropna(subset=["inner_r2"])
    return {
        "model": str(rows["chosen"].iloc[0]),
        "scores": dict(zip(scored["model"], scored["inner_r2"].tolist(), strict=True)),
    }
