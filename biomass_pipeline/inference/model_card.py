"""The page that goes with a model: what it predicts, from what, how well, and where not to."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline import __version__
from biomass_pipeline.config import DataConfig, TilingConfig
from biomass_pipeline.features import list_backbones
from biomass_pipeline.features.naming import DINOV3_LICENCE, DINOV3_TERMS, licence_of
from biomass_pipeline.plain import markdown_cell, markdown_sentence

_TIMM = "timm:"
_NO_SCORES = (
    "No scores: there was no evaluation of these models when they were exported. Nothing is known "
    "of how well they predict."
)

if TYPE_CHECKING:
    from biomass_pipeline.inference.bundle import Bundle

INTENDED_USE = (
    "Photos of the kind it learnt from: taken like the training photos, of the same sward types, "
    "of a quadrat of the same size. It gives a photo's dry matter with intervals, and means of "
    "paddocks with their standard error. For a new site, weigh a few cuts there and run "
    "`biomass calibrate`: predictions without any cut of a site are the least certain ones."
)
_USE = f"""{INTENDED_USE}

```
biomass predict PHOTOS --bundle THIS_FOLDER -o predictions.csv
```

```python
import biomass_pipeline

table = biomass_pipeline.predict("PHOTOS", bundle="THIS_FOLDER")
```"""


_FILES = (
    "- The files hold ids, groups and labels of the training photos, which intervals are made of: "
    "share them as you would share the labels."
)


def model_card(bundle: "Bundle", metrics: Mapping[str, Any] | None) -> str:
    """The text of `MODEL_CARD.md`.

    Args:
        bundle: The model.
        metrics: What `evaluation/metrics.json` holds; None if these models were not scored.

    Returns:
        Markdown. The same model gives the same text.
    """
    parts = (
        ("What it predicts", targets_text(bundle.config.data)),
        ("What it is made of", _making(bundle)),
        ("What it learnt from", _learnt(bundle)),
        ("How well it predicts", _scores(metrics, bundle) if metrics else _NO_SCORES),
        ("Intended use", _USE),
        ("Limits", limits_text(bundle.config.data, bundle.config.tiling) + "\n" + _FILES),
        ("Backbone and licence", _backbone(bundle)),
        ("Fingerprints", _fingerprints(bundle)),
    )
    notes = [f"**{note}**" for note in bundle.notes]
    sections = [f"## {title}\n\n{text}" for title, text in parts]
    return "\n\n".join([f"# Model card: {bundle.config.name}", *notes, *sections]) + "\n"


def targets_text(data: DataConfig) -> str:
    """What is predicted, in Markdown: units, weights and sums."""
    rows = [
        [
            target.name,
            target.unit,
            f"{target.weight:g}",
            " + ".join(data.identities.get(target.name, ())) or "a component",
        ]
        for target in data.targets
    ]
    table = markdown_table(["target", "unit", "weight in the score", "made of"], rows)
    return (
        f"{table}\n\nAll are of one photo, which shows {data.quadrat_area_m2:g} m2 of ground. "
        f"Sums hold in every prediction, and nothing is negative. Grams are also given as kg of "
        f"dry matter a hectare."
    )


def _making(bundle: "Bundle") -> str:
    fold = bundle.ensemble.folds[0]
    training = dict(fold.network.members[0].hyper["training"])
    loss = ", ".join(f"{weight:g} x {name}" for name, weight in dict(training["loss"]).items())
    chosen = [models.choice().model for models in bundle.ensemble.folds]
    lines = [
        (
            f"{len(bundle.ensemble.folds)} folds, each with {len(fold.network.members)} "
            f"network(s) and {len(fold.ridge.members)} ridge model(s) on {fold.ridge.feature_dim} "
            "features a tile."
        ),
        (
            f"Networks: aggregator `{training['aggregator']}`, head `{training['head']}`, loss "
            f"{loss}, covariates: {', '.join(fold.network.covariates) or 'none'}."
        ),
        f"Which predicts: `{bundle.ensemble.model}`"
        + (
            f" (chosen on inner groups: {', '.join(chosen)})"
            if bundle.ensemble.model == "auto"
            else ""
        )
        + ".",
        "A prediction is the mean of the folds; its intervals are widened by their disagreement.",
    ]
    return bullets(lines)


def _learnt(bundle: "Bundle") -> str:
    ids, groups, y = _labels(bundle)
    data = bundle.config.data
    rows = [
        [name, *(f"{value:.4g}" for value in _summary(column))]
        for name, column in zip(data.target_names, y.T, strict=True)
    ]
    columns = " and ".join(data.group_columns) or "one photo"
    return (
        f"{len(ids)} weighed photos in {len(set(groups))} groups of {columns}. Each fold's models "
        f"saw all groups but the fold's own.\n\n"
        + markdown_table(["target", "mean", "sd", "least", "most", "share of zeros"], rows)
    )


def _scores(metrics: Mapping[str, Any], bundle: "Bundle") -> str:
    data, headline = bundle.config.data, metrics["headline_model"]
    lines = [
        (
            f"Out of fold: {metrics['n_images']} photos of {metrics['n_groups']} groups, each "
            f"predicted by models that never saw its group. `{headline}` is the model in this "
            f"folder; `{metrics['protocol']['floor']}` is the floor, which predicts training "
            "means."
        ),
        score_table(metrics, data),
        error_table(metrics, data),
        (
            f"Coverage is that of the {metrics['interval_level']:.0%} interval. These scores are "
            "of single folds' models; the mean of all folds, which is in this folder, cannot be "
            "scored on photos that it learnt from."
        ),
    ]
    return "\n\n".join(lines)


def score_table(metrics: Mapping[str, Any], data: DataConfig) -> str:
    """R2 of every model, the one that predicts first, in Markdown."""
    headline = str(metrics["headline_model"])
    names = [headline, *(name for name in metrics["models"] if name != headline)]
    rows = [list(_score_row(name, metrics["models"][name], data)) for name in names]
    level = metrics.get("bootstrap_level")
    return markdown_table(
        [
            "model",
            "global R2",
            f"{level:.0%} of bootstraps" if level else "bootstraps",
            *(f"R2 {target}" for target in data.target_names),
        ],
        rows,
    )


def error_table(metrics: Mapping[str, Any], data: DataConfig) -> str:
    """Errors of the model that predicts, by target, in Markdown."""
    found = metrics["models"][metrics["headline_model"]]["targets"]
    rows = [
        [
            target.name,
            *(f"{_number(found[target.name][name])} {target.unit}" for name in ("rmse", "bias")),
            _number(found[target.name]["coverage"]),
        ]
        for target in data.targets
    ]
    return markdown_table(["target", "RMSE", "bias", "coverage"], rows)


def _score_row(name: str, found: Mapping[str, Any], data: DataConfig) -> Iterator[str]:
    yield name
    yield _number(found["weighted_r2"])
    interval = found.get("weighted_r2_interval")
    yield " to ".join(map(_number, interval)) if interval else "-"
    for target in data.target_names:
        yield _number(found["targets"][target]["r2"])


def limits_text(data: DataConfig, tiling: TilingConfig) -> str:
    """What a prediction is not good for, in Markdown."""
    return bullets(
        [
            (
                f"A photo has to show {data.quadrat_area_m2:g} m2: another area, height or angle "
                "changes what a pixel is worth, and nothing here corrects it."
            ),
            (
                f"Photos are cut into tiles of {tiling.tile_px} px. A photo of another resolution "
                "is not refused; it is another picture of the same plants."
            ),
            (
                "`ood_percentile` near 100 says that a photo is unlike all that was learnt from. "
                "It does not see everything: a low one is no promise."
            ),
            (
                "Intervals hold on average over new groups like the training groups, not for each "
                "photo, and not for another season, region or camera."
            ),
            (
                "Predictions of photos that the models learnt from are better than they would be "
                "of new ones: never score them."
            ),
        ]
    )


def _backbone(bundle: "Bundle") -> str:
    spec = bundle.config.backbone
    lines = [
        (
            f"`{spec.name}` (tokens `{spec.tokens}`, layers `{spec.layers}`, views "
            f"`{spec.views}`). Its weights are not in this folder."
        ),
        f"Weights: {_weights(bundle)}",
        f"Licence of the backbone: {licence(bundle)}.",
    ]
    if spec.checkpoint:
        lines.append("Its weights came from a file: give it with `--weights FILE`.")
    return bullets(lines)


def _weights(bundle: "Bundle") -> str:
    said = bundle.identity.get("weights", "of their package")
    sha256 = bundle.identity.get("weights_sha256")
    return f"{said}, SHA-256 `{sha256}`; others are refused." if sha256 else f"{said}."


def licence(bundle: "Bundle") -> str:
    """The licence of the backbone's weights in words."""
    return licence_text(bundle.identity["name"])


def licence_text(name: str) -> str:
    """The licence of a backbone's weights in words, by its name."""
    if name.startswith(_TIMM):
        found = licence_of(name.removeprefix(_TIMM))
        if not found:
            return "not known here: read the model's page before you use it"
        return f"{found}; {DINOV3_TERMS}" if found == DINOV3_LICENCE else found
    known = {listing.name: listing.licence for listing in list_backbones()}
    return known.get(name, "the package's that it comes from")


def _fingerprints(bundle: "Bundle") -> str:
    rows = [["model", bundle.fingerprint], ["features", bundle.extraction]]
    for number, fold in enumerate(bundle.ensemble.folds):
        rows.append([f"fold {number}, networks", fold.network.fingerprint])
        rows.append([f"fold {number}, ridge", fold.ridge.fingerprint])
    rows.append(["biomass-pipeline", __version__])
    return markdown_table(["what", "fingerprint"], rows)


def _labels(bundle: "Bundle") -> tuple[list[str], list[str], NDArray[np.float64]]:
    """Each training photo once: ids, groups, labels of shape (photo, target)."""
    found: dict[str, tuple[str, NDArray[np.float64]]] = {}
    for fold in bundle.ensemble.folds:
        inner = fold.ridge.inner
        for name, group, y in zip(inner.image_ids, inner.groups, inner.y, strict=True):
            found[str(name)] = (str(group), y)
    ids = sorted(found)
    return ids, [found[name][0] for name in ids], np.array([found[name][1] for name in ids])


def _summary(column: NDArray[np.float64]) -> tuple[float, ...]:
    zeros = float((column <= 0).mean())
    return column.mean(), column.std(), column.min(), column.max(), zeros


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text in Markdown."""
    lines = [list(columns), ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(markdown_cell, line)) + " |" for line in lines)


def bullets(lines: Sequence[str]) -> str:
    """A list in Markdown."""
    return "\n".join(f"- {markdown_sentence(line)}" for line in lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
