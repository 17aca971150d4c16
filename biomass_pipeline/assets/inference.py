"""Inference: photos without labels, by the same cache, and by all folds' models together."""

import base64
from collections.abc import Mapping
from datetime import timedelta
from math import ceil

import dagster as dg
import numpy as np
import pandas as pd

from biomass_pipeline import mil
from biomass_pipeline.assets.blueprint import (
    GPU_POOL,
    BackboneSource,
    Blueprint,
    FeatureStore,
    LabelSource,
    PhotoSource,
    Reporter,
    Settings,
    markdown_table,
    table_result,
)
from biomass_pipeline.assets.extraction import (
    cache_result,
    contents_of,
    reading_of,
    stamp_of,
    tiles_of,
)
from biomass_pipeline.assets.feature_checks import feature_specs
from biomass_pipeline.assets.lesson import CheckpointHandle
from biomass_pipeline.config import fingerprint
from biomass_pipeline.errors import BiomassError
from biomass_pipeline.evaluation.deployment import OUTSIDE_PERCENTILE
from biomass_pipeline.features import PhotoEmbedder, photos_of
from biomass_pipeline.inference.combining import EnsemblePrediction
from biomass_pipeline.inference.ensemble import Ensemble, predict_ensemble
from biomass_pipeline.inference.submission import submission_table
from biomass_pipeline.manifest import with_refusals
from biomass_pipeline.plain import markdown_cell, markdown_sentence
from biomass_pipeline.reporting.maps.reading import PhotoReader
from biomass_pipeline.store import Cache, FeatureSet

_GROUP = "inference"
# Raise one when its code changes what it holds.
_FEATURES_CODE, _PREDICTIONS_CODE, _SUBMISSION_CODE = "1", "1", "1"
# Pasture changes within weeks, and while there is no new photo nothing is predicted anew.
_FRESHNESS = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(days=31), warn_window=timedelta(days=8)
)


def inference_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """`inference_features`, `predictions` and `submission`."""
    config = blueprint.config
    data = config.data
    grams = tuple(target.name for target in data.targets if target.unit == "g")

    # No return annotation: beside a check result Dagster refuses `MaterializeResult[Cache]`.
    @blueprint.asset(
        _GROUP,
        code=_FEATURES_CODE,
        decides={"extraction fingerprint": blueprint.extraction},
        kinds={"hdf5", "pytorch"},
        pool=GPU_POOL,
        io_manager_key="feature_handles",
        check_specs=feature_specs("inference_features"),
    )
    def inference_features(  # type: ignore[no-untyped-def]  # noqa: ANN202
        context: dg.AssetExecutionContext,
        image_manifest: pd.DataFrame,
        photos: dg.ResourceParam[PhotoSource],
        backbone: dg.ResourceParam[BackboneSource],
        features: dg.ResourceParam[FeatureStore],
        reporter: dg.ResourceParam[Reporter],
    ):
        """Tile features of the photos without labels. A label added later embeds nothing."""
        images = unlabelled_photos(image_manifest)
        contents = contents_of(tiles_of(images, config=config, photos=photos), config=config)
        stamp = stamp_of(blueprint, backbone)
        written = features.write(
            None,
            contents,
            stamp=stamp,
            embedder=PhotoEmbedder(
                photos_of(contents),
                reading=reading_of(config, photos),
                build=backbone.build,
                engine=backbone.engine(),
                on_progress=reporter.extraction(None),
            ),
            # Nothing is learnt from them, so all may fail that are few enough to be photos' faults.
            max_refused=ceil(data.max_quarantined_fraction * len(images)),
        )
        return cache_result(
            contents, written, stamp=stamp, asset="inference_features", instance=context.instance
        )

    @blueprint.asset(
        _GROUP,
        code=f"{_PREDICTIONS_CODE}-{mil.CODE_VERSION}",
        decides={
            "evaluation": blueprint.judging,
            "data.quadrat_area_m2": data.quadrat_area_m2,
            "targets in grams": grams,
        },
        kinds={"parquet", "pandas"},
        deps=["training_config"],
        freshness_policy=_FRESHNESS,
    )
    def predictions(
        mil_checkpoint: dict[int, CheckpointHandle],
        ridge_baseline: dict[int, CheckpointHandle],
        inference_features: Cache,
        image_manifest: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
        photos: dg.ResourceParam[PhotoSource],
    ) -> dg.MaterializeResult[pd.DataFrame]:
        """Photos without labels by all folds' models, intervals wider where those disagree."""
        model = settings.load().training.model
        ensemble = ensemble_of(mil_checkpoint, ridge_baseline, model=model)
        features, device = inference_features.load(), settings.device()
        spec = mil.PredictionSpec.from_config(config.evaluation)
        found = predict_ensemble(ensemble, features, spec=spec, device=device)
        table = found.frame(data.quadrat_area_m2, in_grams=grams)
        return table_result(
            table.sort_values("image_id", kind="stable", ignore_index=True),
            models_fingerprint=_models_fingerprint(mil_checkpoint, ridge_baseline),
            extraction_fingerprint=blueprint.extraction,
            **_summary(found, image_manifest, inference_features),
            **_map(
                ensemble,
                features,
                found,
                images=image_manifest,
                reader=PhotoReader(photos.open, config),
            ),
        )

    @blueprint.asset(
        _GROUP,
        code=_SUBMISSION_CODE,
        decides={
            "targets": data.target_names,
            "data.identities": data.identities,
            "data.image_column": data.image_column,
            "data.submission": data.submission,
        },
        kinds={"csv", "pandas"},
        io_manager_key="documents",
        # Where it is configured, the file that a submission follows is a part of it.
        deps=["raw_labels"],
    )
    def submission(
        predictions: pd.DataFrame, labels: dg.ResourceParam[LabelSource]
    ) -> dg.MaterializeResult[pd.DataFrame]:
        """`sample_id, target`: the rows and the order of `data.submission`, or all by id."""
        return table_result(submission_table(predictions, data=data, order=labels.order()))

    return [inference_features, predictions, submission]


def unlabelled_photos(image_manifest: pd.DataFrame) -> pd.DataFrame:
    """The rows of photos that can be trusted and have no label."""
    ok = image_manifest["status"] == "ok"
    return image_manifest[ok & ~image_manifest["labelled"].astype(bool)]


def ensemble_of(
    networks: Mapping[int, CheckpointHandle],
    ridges: Mapping[int, CheckpointHandle],
    *,
    model: str,
) -> Ensemble:
    """All folds' models, read from their folders."""
    return Ensemble(
        tuple(
            mil.FoldModels(
                mil.load_fold(networks[fold].folder, networks[fold].fingerprint),
                mil.load_ridge(ridges[fold].folder, ridges[fold].fingerprint),
            )
            for fold in sorted(networks)
        ),
        model,
    )


def _models_fingerprint(*models: Mapping[int, CheckpointHandle]) -> str:
    return fingerprint([[each[fold].fingerprint for fold in sorted(each)] for each in models])


def _summary(
    found: EnsemblePrediction, image_manifest: pd.DataFrame, cache: Cache
) -> dict[str, dg.MetadataValue | float | int]:
    """How many photos, how many of them from somewhere else, and which are not predicted."""
    refused = {photo.image_id: photo.reason for photo in cache.quarantined()}
    unlabelled = image_manifest[~image_manifest["labelled"].astype(bool)]
    marked = with_refusals(unlabelled, refused)
    left_out = marked[marked["status"] == "quarantined"][["path", "reason"]]
    facts: dict[str, dg.MetadataValue | float | int] = {
        "photos": len(found.novelty),
        "not_predicted": len(left_out),
        "quarantine": dg.MetadataValue.md(markdown_table(left_out.head(50))),
    }
    known = found.novelty[~np.isnan(found.novelty)]
    if len(known):
        facts["out_of_domain_share"] = float((known > OUTSIDE_PERCENTILE).mean())
    return facts


def _map(
    ensemble: Ensemble,
    features: FeatureSet,
    found: EnsemblePrediction,
    *,
    images: pd.DataFrame,
    reader: PhotoReader,
) -> dict[str, dg.MetadataValue]:
    """A map of the photo with the most biomass; predictions are as good without one."""
    from biomass_pipeline.reporting.maps.preview import largest_map  # noqa: PLC0415  # loads matplotlib

    if not features.image_ids:
        return {}
    try:
        seen = largest_map(ensemble, features, found.predictive.y, reader=reader, images=images)
    except (BiomassError, OSError) as error:
        return {"map": dg.MetadataValue.md(f"No map could be drawn: {markdown_sentence(error)}")}
    picture, name = base64.b64encode(seen.png).decode(), markdown_cell(seen.image_id)
    words = f"The photo with the most, {name}. {markdown_sentence(seen.text)}"
    return {
        "map": dg.MetadataValue.md(
            f"![map of {name}](data:image/png;base64,{picture})\n\n{words} "
            f"`biomass map PHOTO` draws it larger, and of any other photo."
        )
    }
