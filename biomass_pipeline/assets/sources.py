"""What the graph watches but does not make: the photos, the label file, the training section."""

import warnings

import dagster as dg

from biomass_pipeline.assets.blueprint import Around, LabelSource, PhotoSource, Settings, bare
from biomass_pipeline.config import fingerprint

_GROUP = "sources"


def source_assets(around: Around = bare) -> list[dg.SourceAsset]:
    """`raw_images`, `raw_labels` and `training_config`, observed by content.

    Args:
        around: What goes around each look.
    """
    # Dagster shows the `description` of a source, not its docstring.
    with warnings.catch_warnings():
        # Beta, but the only kind of source whose versions the UI and automation follow.
        warnings.simplefilter("ignore", dg.BetaWarning)

        @dg.observable_source_asset(
            group_name=_GROUP,
            description="The folder of photos. Its version is the hash of all paths and contents.",
        )
        @around
        def raw_images(photos: dg.ResourceParam[PhotoSource]) -> dg.DataVersion:
            return dg.DataVersion(photos.version())

        @dg.observable_source_asset(
            group_name=_GROUP,
            description="The label file. Its version is the hash of its bytes.",
        )
        @around
        def raw_labels(labels: dg.ResourceParam[LabelSource]) -> dg.DataVersion:
            return dg.DataVersion(labels.version())

        @dg.observable_source_asset(
            group_name=_GROUP,
            description="The `training` section. Its version is its hash, read anew at each look.",
        )
        @around
        def training_config(settings: dg.ResourceParam[Settings]) -> dg.DataVersion:
            return dg.DataVersion(fingerprint(settings.load().training))

    return [raw_images, raw_labels, training_config]
