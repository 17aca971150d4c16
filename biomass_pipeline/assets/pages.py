"""What a person finds on an asset's page: tables, pictures and plain words.

Nothing here decides a version: what a page says of a result must not make the result another one.
"""

import base64
from collections.abc import Mapping, Sequence
from math import isfinite, sqrt
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pandas as pd

from biomass_pipeline import mil
from biomass_pipeline.assets.blueprint import markdown_table
from biomass_pipeline.config import DataConfig
from biomass_pipeline.evaluation import AUTO, fold_scores, group_scores
from biomass_pipeline.mil.history import read_histories
from biomass_pipeline.plain import markdown_sentence
from biomass_pipeline.reporting import predicted_against_measured
from biomass_pipeline.reporting.training_figure import training_figure
from biomass_pipeline.reporting.trust import read_trust
from biomass_pipeline.reporting.trust_figures import calibration_figure

Facts = dict[str, Any]

# More would make an event heavy, and nobody reads it in the UI.
_MOST_ROWS: Final = 50


def table_of(table: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """The first rows of a table; one without a row says so."""
    if not len(table):
        return dg.MetadataValue.md("none")
    shown = markdown_table(table.head(_MOST_ROWS))
    left = len(table) - _MOST_ROWS
    return dg.MetadataValue.md(f"{shown}\n\n… and {left} more" if left > 0 else shown)


def lines_of(sentences: Sequence[str]) -> dg.MarkdownMetadataValue:
    """The first of some sentences, a line each."""
    return dg.MetadataValue.md(
        "\n".join(f"- {markdown_sentence(each)}" for each in sentences[:_MOST_ROWS]) or "none"
    )


def scores_of(table: pd.DataFrame) -> dg.MarkdownMetadataValue:
    """Scores with one column a model, so that the page cuts none off."""
    turned = table.set_index("model").T.rename_axis("score").reset_index()
    return table_of(turned.rename_axis(columns=None))


def picture_of(png: bytes, words: str) -> dg.MarkdownMetadataValue:
    """A figure inside the page, with what it shows in words."""
    return dg.MetadataValue.md(
        f"![{words}](data:image/png;base64,{base64.b64encode(png).decode()})"
    )


def groups_page(rows: pd.DataFrame) -> Facts:
    """The groups among some photos: `image_id` and `group`."""
    sizes = rows.groupby("group", as_index=False).agg(photos=("image_id", "nunique"))
    return {
        "photos": int(rows["image_id"].nunique()),
        "groups": len(sizes),
        "group_list": table_of(sizes),
    }


def folds_page(assignment: pd.DataFrame, labels: pd.DataFrame, *, data: DataConfig) -> Facts:
    """How many photos and groups each fold holds out, and what they weigh."""
    name = data.heaviest_target
    rows = assignment.merge(labels[["image_id", name]], on="image_id")
    sizes = rows.groupby("fold", as_index=False).agg(
        photos=("image_id", "size"), groups=("group", "nunique"), mean=(name, "mean")
    )
    groups = rows.groupby("group", as_index=False).agg(
        fold=("fold", "first"), photos=("fold", "size")
    )
    return {
        "folds": table_of(sizes.rename(columns={"mean": f"mean {name}"})),
        "groups": len(groups),
        "group_list": table_of(groups.sort_values(["fold", "group"])[["fold", "group", "photos"]]),
    }


def network_page(folder: Path, fold: "mil.TrainedFold") -> Facts:
    """A fold's networks: which epoch was kept, how good it was, and the training as a curve."""
    lines = pd.DataFrame(
        [
            {
                "network": number + 1,
                "epoch kept": member.best_epoch + 1,
                "inner RMSE (g)": sqrt(member.best_error),
            }
            for number, member in enumerate(fold.members)
        ]
    )
    facts: Facts = {
        "networks": table_of(lines),
        "inner_rmse_g": float(lines["inner RMSE (g)"].mean()),
    }
    if histories := read_histories(folder):
        kept = {number: member.best_epoch for number, member in enumerate(fold.members)}
        facts["training"] = picture_of(
            training_figure(histories, kept),
            "Loss on the photos learnt from, and error on groups not learnt from, by epoch",
        )
    return facts


def ridge_page(model: "mil.RidgeModel") -> Facts:
    """A fold's ridge: how tiles were pooled, and what was chosen for each transform of labels."""
    lines = [
        {"labels": each.transform, "relevance": each.relevance, "penalty": each.alpha}
        for each in model.members
    ]
    return {"poolings": ", ".join(model.poolings), "members": table_of(pd.DataFrame(lines))}


def fold_page(table: pd.DataFrame, *, data: DataConfig) -> Facts:
    """A fold's held-out predictions: scores of each model, its groups, and a picture.

    The scores are numbers as well, for the page's plot over all folds.
    """
    scores = fold_scores(table, data=data)
    r2 = {f"r2_{row.model}": row.R2 for row in scores.itertuples() if isfinite(float(str(row.R2)))}
    lightest = {"targets": tuple(t for t in data.targets if t.name == data.heaviest_target)}
    groups = group_scores(table, data=data, model=AUTO)
    plot = predicted_against_measured(table, data=data.model_copy(update=lightest), model=AUTO)
    return {
        "predicted_against_measured": picture_of(
            plot, "Predicted against measured, a point a photo"
        ),
        "scores": scores_of(scores),
        **r2,
        "groups": len(groups),
        "group_list": table_of(groups),
    }


def scores_page(metrics: Mapping[str, Any], *, data: DataConfig) -> Facts:
    """Coverage promised against observed, where there are predicted distributions."""
    trust = read_trust(metrics, data=data, model=str(metrics["headline_model"]))
    if trust is None:
        return {}
    plot = calibration_figure(trust.calibration)
    return {"calibration": picture_of(plot, "Coverage of intervals, promised against observed")}
