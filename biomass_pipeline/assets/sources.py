"""What the graph watches but does not make: the photos, the label file, the training section."""

import warnings

import dagster as dg

from biomass_pipeline.assets.blueprint import Around, LabelSource, PhotoSource, Settings, bare
from biomass_pipeline.config import DataConfig, fingerprint
from biomass_pipeline.plain import without_secrets

_GROUP = "sources"


def source_assets(around: Around = bare, *, data: DataConfig | None = None) -> list[dg.SourceAsset]:
    """`raw_images`, `raw_labels` and `training_config`, observed by content.

    Args:
        around: What goes around each look.
        data: Where photos and labels are, for their pages; nothing is said of it if None.
    """
    # Dagster shows the `description` of a source, not its docstring.
    with warnings.catch_warnings():
        # Beta, but the only kind of source whose versions the UI and automation follow.
        warnings.simplefilter("ignore", dg.BetaWarning)

        @dg.observable_source_asset(
            group_name=_GROUP,
            metadata={"images": without_secrets(data.images)} if data else None,
            description="The folder of photos, only looked at. Its version is the hash of all "
            "paths and contents: a new, changed, renamed or removed photo makes another version, a "
            "touched file does not.",
        )
        @around
        def raw_images(photos: dg.ResourceParam[PhotoSource]) -> dg.DataVersion:
            return dg.DataVersion(photos.version())

        @dg.observable_source_asset(
            group_name=_GROUP,
            metadata={"labels": without_secrets(data.labels)} if data else None,
            description="The label file: what was weighed, in the targets' units (grams unless "
            "configured otherwise). Only looked at; its version is the hash of its bytes.",
        )
        @around
        def raw_labels(labels: dg.ResourceParam[LabelSource]) -> dg.DataVersion:
            return dg.DataVersion(labels.version())

        @dg.observable_source_asset(
            group_name=_GROUP,
            description="The section `training` of the configuration. Its version is its hash, "
            "read anew at each look: an edit is seen without reloading anything.",
        )
        @around
        def training_config(settings: dg.ResourceParam[Settings]) -> dg.ObserveResult:
            training = settings.load().training
            return dg.ObserveResult(
                data_version=dg.DataVersion(fingerprint(training)),
                metadata={"training": dg.MetadataValue.json(training.model_dump(mode="json"))},
            )

    return [raw_images, raw_labels, training_config]
