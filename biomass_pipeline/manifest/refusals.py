"""Photos that passed the door and failed later, marked as what they are."""

from collections.abc import Mapping

import pandas as pd

from biomass_pipeline.manifest.sidecar import QUARANTINED


def with_refusals(manifest: pd.DataFrame, reasons: Mapping[str, str]) -> pd.DataFrame:
    """The manifest with photos that could not be embedded quarantined as well.

    Args:
        manifest: One row a photo: `image_id, status, reason`.
        reasons: By `image_id`, why a photo could not be embedded.

    Returns:
        A copy with the same columns and rows.
    """
    marked = manifest.copy()
    refused = marked["image_id"].isin(reasons)
    marked.loc[refused, "status"] = QUARANTINED
    marked.loc[refused, "reason"] = marked.loc[refused, "image_id"].map(dict(reasons))
    return marked
