"""What was predicted and what is told of it: each against its seal and what it was made of."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from biomass_pipeline.audit.condition import REMAKE, RUN, Condition, State
from biomass_pipeline.audit.ground import Ground, damaged, sealed
from biomass_pipeline.audit.tables import difference
from biomass_pipeline.errors import BiomassError
from biomass_pipeline.evaluation import STATE_COLUMN, pool_predictions
from biomass_pipeline.evaluation.comparison import SCHEMA_VERSION as PROTOCOLS_SCHEMA
from biomass_pipeline.evaluation.scoreboard import SCHEMA_VERSION as METRICS_SCHEMA
from biomass_pipeline.inference.submission import read_order, submission_table
from biomass_pipeline.store import FeatureFolder

_CUT = "its end is lacking"


def audit_predictions(ground: Ground) -> Iterator[Condition]:
    """Held-out predictions a fold, all of them pooled, those of photos without labels."""
    layout = ground.layout
    for fold in ground.folds:
        path = layout.partitioned_table("fold_predictions", fold)
        found = ground.table(path, ("fold_predictions", str(fold)))
        yield _of_cache(ground, found, fold)
    pooled = ground.table(layout.table("oof_predictions"), ("oof_predictions", None))
    yield _of_folds(ground, pooled)
    predictions = ground.table(layout.table("predictions"), ("predictions", None))
    yield _of_cache(ground, predictions, None)
    yield _submission(ground)


def audit_documents(ground: Ground) -> Iterator[Condition]:
    """Scores, what is optional, and the report with all that lies beside it."""
    layout = ground.layout
    yield _scores(ground, ground.document(layout.metrics, ("evaluation", None)), METRICS_SCHEMA)
    for asset, schema in (("protocols", PROTOCOLS_SCHEMA), ("tuning", None)):
        if layout.document(asset).exists() or (ground.made and (asset, None) in ground.made):
            yield _scores(ground, ground.document(layout.document(asset), (asset, None)), schema)
    if layout.recommended.exists():
        yield _text(ground, layout.recommended)
    if layout.benchmark.exists():
        yield ground.document(layout.benchmark, ("", None))
    yield from _report(ground)


def _of_cache(ground: Ground, found: Condition, fold: int | None) -> Condition:
    """A table of predictions, unless it has other photos than the fold's cache."""
    table = ground.tables.get(found.name)
    if table is None:
        return found
    path = ground.layout.feature_cache(ground.extraction, fold)
    try:
        photos = FeatureFolder(ground.layout).open(fold, ground.extraction).photos()
    except BiomassError:
        return found
    problem = difference(set(table["image_id"]), set(photos))
    if not problem:
        return found
    what = f"unlike {ground.layout.name(path)}, it {problem}"
    return Condition(found.name, State.UNFIT, what, RUN)


def _of_folds(ground: Ground, found: Condition) -> Condition:
    """The pooled table, unless it is not each labelled photo's predictions, once."""
    layout = ground.layout
    table, labels = ground.tables.get(found.name), ground.kept(layout.table("label_table"))
    folds = [ground.kept(layout.partitioned_table("fold_predictions", f)) for f in ground.folds]
    parts = [fold for fold in folds if fold is not None]
    if table is None or labels is None or len(parts) < len(folds):
        return found
    predicted = {image for part in parts for image in part["image_id"]}
    refused = set(labels["image_id"]) - predicted - set(table["image_id"])
    try:
        expected = pool_predictions(parts, labels=labels[~labels["image_id"].isin(refused)])
    except BiomassError as error:
        return Condition(found.name, State.UNFIT, str(error))
    if _same(table, expected.drop(columns=STATE_COLUMN, errors="ignore")):
        return found
    return Condition(found.name, State.UNFIT, "it is not what fold_predictions/ hold", RUN)


def _same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return list(one.columns) == list(other.columns) and one.equals(other)


def _submission(ground: Ground) -> Condition:
    """The file that has no room for a seal, made again to be compared byte by byte."""
    path = ground.layout.submission
    name = ground.layout.name(path)
    if (gone := ground.absent(path, ("submission", None))) is not None:
        return gone
    try:
        expected = _expected_submission(ground)
    except (BiomassError, OSError) as error:
        return Condition(name, State.READABLE, f"it could not be compared: {error}")
    if expected is None:
        return Condition(name, State.READABLE, "there is nothing to compare it with")
    return Condition(name, State.WHOLE) if path.read_bytes() == expected else _other(name)


def _other(name: str) -> Condition:
    what = "it is not what predictions/predictions.parquet gives in the order of `data.submission`"
    return damaged(name, what, REMAKE)


def _expected_submission(ground: Ground) -> bytes | None:
    predictions = ground.kept(ground.layout.table("predictions"))
    if predictions is None:
        return None
    data = ground.config.data
    asked, base = data.submission, ground.project.base
    order = None if asked is None else read_order(asked, base=base)
    table = submission_table(predictions, data=data, order=order)
    return table.to_csv(index=False, lineterminator="\n").encode()


def _scores(ground: Ground, found: Condition, schema: int | None) -> Condition:
    content: Any = ground.documents.get(found.name)
    if schema is None or not isinstance(content, dict):
        return found
    if (version := content.get("schema_version")) != schema:
        what = f"it has schema version {version}, and this release writes {schema}"
        return Condition(found.name, State.EARLIER, what, REMAKE)
    return _of_pool(ground, found, content)


def _of_pool(ground: Ground, found: Condition, content: dict[str, Any]) -> Condition:
    """Scores, unless they are of another number of photos than are predicted."""
    table = ground.kept(ground.layout.table("oof_predictions"))
    if found.name != ground.layout.name(ground.layout.metrics) or table is None:
        return found
    n_images = table["image_id"].nunique()
    if content.get("n_images") == n_images:
        return found
    what = f"it scores {content.get('n_images')} photos, and {n_images} are predicted"
    return Condition(found.name, State.UNFIT, what, RUN)


def _report(ground: Ground) -> Iterator[Condition]:
    path = ground.layout.report
    yield ground.absent(path, ("report", None)) or _text(ground, path)
    for text in sorted(path.parent.glob("*.md")):
        yield _text(ground, text)
    for picture in sorted((path.parent / "figures").glob("*.png")):
        yield _picture(ground, picture)


def _text(ground: Ground, path: Path) -> Condition:
    name = ground.layout.name(path)
    try:
        path.read_text(encoding="utf-8")
        found = sealed(path, name)
    except (OSError, ValueError) as error:
        return damaged(name, f"it cannot be read ({type(error).__name__})", REMAKE)
    if found.state is State.READABLE and path.suffix == ".html" and not _ends(path):
        return damaged(name, _CUT, REMAKE)
    return found


def _ends(path: Path) -> bool:
    return path.read_bytes().rstrip().endswith(b"</html>")


def _picture(ground: Ground, path: Path) -> Condition:
    """A PNG has a checksum in each of its pieces."""
    name = ground.layout.name(path)
    try:
        with Image.open(path) as picture:
            picture.verify()
        whole = path.read_bytes().endswith(b"IEND\xaeB`\x82")
    except (OSError, SyntaxError, ValueError) as error:
        return damaged(name, f"it is no whole PNG ({type(error).__name__})", REMAKE)
    report = os.fspath(Path("report", "report.html"))
    remedy = f"delete {report} and run `biomass run`, which draws it again"
    return Condition(name, State.WHOLE) if whole else damaged(name, _CUT, remedy)
