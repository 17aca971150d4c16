"""The way from photos and labels to a submission, stage by stage, without Dagster.

The same functions as behind the assets, in the same order: what comes out is what the graph gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

# Its names are imported on first use: who only embeds without weights does not pay for torch.
from biomass_pipeline import mil
from biomass_pipeline.config import Config, fingerprint
from biomass_pipeline.evaluation import (
    Evaluation,
    evaluate,
    pool_predictions,
    predict_held_out,
    selection_of,
)
from biomass_pipeline.features import (
    Backbone,
    backbone_identity,
    extraction_fingerprint,
    usable_devices,
)
from biomass_pipeline.folds import assign_folds
from biomass_pipeline.inference.embedding import Workplace, contents_of, embedder_of, stamp_of
from biomass_pipeline.inference.ensemble import Ensemble, predict_ensemble
from biomass_pipeline.inference.submission import read_order, submission_table
from biomass_pipeline.isolation import Isolation
from biomass_pipeline.layout import Layout
from biomass_pipeline.manifest import (
    ImageFolder,
    check_quarantine,
    image_manifest,
    label_table,
    read_labels,
)
from biomass_pipeline.store import Cache, FeatureFolder, FeatureSet, FoldContents, Written

if TYPE_CHECKING:
    Caches = Mapping[int | None, Cache]
    Models = Mapping[int, mil.FoldModels]


@dataclass(frozen=True)
class Survey:
    """A project's photos and labels, read once.

    Attributes:
        config: What decides everything; its locations are relative to `base`.
        base: See above.
        manifest: A row a photo.
        labels: A row a labelled photo that can be trusted.
        folds: `image_id, group, fold`.
        accepted: The fingerprint of caches made with other versions of libraries, which features
            are filed under then.
    """

    config: Config
    base: Path
    manifest: pd.DataFrame
    labels: pd.DataFrame
    folds: pd.DataFrame
    accepted: str = ""

    @classmethod
    def read(cls, config: Config, *, base: Path, sidecar: Path | None) -> Survey:
        """List and check the photos, read the labels, and hold groups out.

        Args:
            config: The project's.
            base: What relative locations are relative to.
            sidecar: Where hashes of photos are remembered.

        Raises:
            BiomassError: As `image_manifest`, `read_labels`, `label_table`, `assign_folds`.
        """
        data = config.data
        sheet = read_labels(data.labels, base=base, spec=data)
        manifest = image_manifest(
            ImageFolder(data.images, base=base),
            labels=sheet,
            sidecar=sidecar,
            max_pixels=data.max_pixels,
            stream_above_px=config.imaging.stream_above_px,
            isolation=Isolation.of(config.compute),
        )
        check_quarantine(manifest, limit=data.max_quarantined_fraction)
        labels = label_table(sheet, manifest, spec=data)
        assigned = assign_folds(
            labels[["image_id", "group"]].assign(total=labels[data.heaviest_target]),
            spec=config.folds,
            ledger=None,
            group_columns=data.group_columns,
        )
        return cls(config, base, manifest, labels, assigned.table)

    @cached_property
    def identity(self) -> Mapping[str, str]:
        """What decides the backbone's output on this machine."""
        return backbone_identity(self.config.backbone, base=self.base)

    @property
    def extraction(self) -> str:
        """The fingerprint of the features."""
        return self.accepted or extraction_fingerprint(self.config, self.identity)

    @property
    def parts(self) -> tuple[int | None, ...]:
        """The folds, and None for the photos without labels."""
        return (*range(self.config.folds.n_folds), None)

    @property
    def device(self) -> str:
        """Where networks are trained."""
        return usable_devices(self.config.compute.device)[0]

    def photos(self, part: int | None) -> pd.DataFrame:
        """The rows of the manifest of one part that can be trusted."""
        ok = self.manifest[self.manifest["status"] == "ok"]
        if part is None:
            return ok[~ok["labelled"].astype(bool)]
        held_out = self.folds.loc[self.folds["fold"] == part, "image_id"]
        return ok[ok["image_id"].isin(held_out)]

    @cached_property
    def contents(self) -> Mapping[int | None, FoldContents]:
        """What the cache of each part holds."""
        folder = ImageFolder(self.config.data.images, base=self.base)
        return {part: contents_of(self.photos(part), folder, self.config) for part in self.parts}


def check_asked(survey: Survey) -> None:
    """See that the test file asks for just the photos without labels, before hours of work.

    Raises:
        SubmissionIdsError: It does not; the rows are named.
        MissingInputError: There is no such file.
        SubmissionColumnsError: It has no column of ids.
    """
    photos, names = survey.photos(None)["image_id"], survey.config.data.target_names
    rows = pd.MultiIndex.from_product([photos, names], names=["image_id", "target"])
    _laid_out(survey, rows.to_frame(index=False).assign(y_pred=0.0))


def extract(
    survey: Survey, *, layout: Layout, place: Workplace, build: Callable[[], Sequence[Backbone]]
) -> Iterator[tuple[int | None, Written]]:
    """Write each part's cache; rows that a file there has already are copied, not embedded.

    Args:
        survey: The photos.
        layout: Where caches are written.
        place: Where that is done.
        build: Makes the backbone, for all parts.

    Raises:
        BiomassError: As `FeatureFolder.write`.
    """
    folder = ImageFolder(survey.config.data.images, base=survey.base)
    for part, contents in survey.contents.items():
        embedder = embedder_of(contents, folder, survey, place=place, build=build)
        most = int(survey.config.data.max_quarantined_fraction * len(contents.image_ids))
        written = FeatureFolder(layout).write(
            part, contents, stamp=stamp_of(survey), embedder=embedder, max_refused=most
        )
        yield part, written


def train(
    survey: Survey,
    caches: Caches,
    *,
    layout: Layout,
    on_progress: Callable[[Any], None] | None = None,
) -> Iterator[tuple[int, mil.FoldModels]]:
    """Train each fold's models on all folds but its own.

    Args:
        survey: The labels.
        caches: Every fold's features.
        layout: Where checkpoints are written; those of a killed kernel are gone on with.
        on_progress: Told after every epoch.

    Raises:
        BiomassError: As `mil.train_fold` and `mil.fit_ridge`.
    """
    config = survey.config
    for fold in range(config.folds.n_folds):
        others = [caches[k].load() for k in range(config.folds.n_folds) if k != fold]
        features = FeatureSet.concatenate(others).in_content_order()
        labels = survey.labels
        labels = labels[labels["image_id"].isin(features.image_ids)].reset_index(drop=True)
        mark = fingerprint(config.training, config.data, survey.extraction, features.image_sha256)
        recipe = mil.Recipe(data=config.data, training=config.training, fingerprint=mark)
        network = mil.train_fold(
            features,
            labels,
            recipe=recipe,
            checkpoint_folder=layout.checkpoint(mark, fold),
            device=survey.device,
            threads=config.compute.training_threads,
            records=mil.TrainingRecords(on_progress=on_progress),
        )
        yield fold, mil.FoldModels(network, mil.fit_ridge(features, labels, recipe=recipe))


def out_of_fold(survey: Survey, caches: Caches, models: Models) -> pd.DataFrame:
    """Every labelled photo by the models that never saw it, beside the constant floor."""
    folds = [
        predict_held_out(
            models[fold],
            caches[fold].load(),
            labels=survey.labels,
            folds=survey.folds,
            fold=fold,
            config=survey.config,
            device=survey.device,
        )
        for fold in sorted(models)
    ]
    known = pd.concat(folds)["image_id"].unique()
    labels = survey.labels
    return pool_predictions(folds, labels=labels[labels["image_id"].isin(known)])


def judge(survey: Survey, oof: pd.DataFrame) -> Evaluation:
    """Score out-of-fold predictions."""
    config = survey.config
    return evaluate(
        oof,
        survey.labels,
        data=config.data,
        evaluation=config.evaluation,
        selection=selection_of(oof, config.training.model),
    )


def submission(survey: Survey, features: FeatureSet, models: Models) -> pd.DataFrame:
    """The photos without labels by all folds' models, in the rows of the configured test file.

    Raises:
        SubmissionIdsError: The test file asks for other photos.
        SubmissionNumbersError: A number cannot be submitted.
    """
    config = survey.config
    found = predict_ensemble(
        Ensemble(tuple(models[fold] for fold in sorted(models)), config.training.model),
        features,
        spec=mil.PredictionSpec.from_config(config.evaluation),
        device=survey.device,
    )
    grams = tuple(target.name for target in config.data.targets if target.unit == "g")
    return _laid_out(survey, found.frame(config.data.quadrat_area_m2, in_grams=grams))


def _laid_out(survey: Survey, predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions in the rows of the configured test file."""
    order = survey.config.data.submission
    rows = None if order is None else read_order(order, base=survey.base)
    return submission_table(predictions, data=survey.config.data, order=rows)
