"""A photo that fails after the door is shown beside those that failed at it."""

import pandas as pd

from biomass_pipeline.manifest import with_refusals


def test_only_the_refused_photos_change():
    manifest = pd.DataFrame(
        {
            "image_id": ["a", "b", "c"],
            "status": ["ok", "ok", "quarantined"],
            "reason": ["", "", "empty file"],
        }
    )
    marked = with_refusals(manifest, {"b": "backbone failed", "x": "not there"})
    assert list(marked["status"]) == ["ok", "quarantined", "quarantined"]
    assert list(marked["reason"]) == ["", "backbone failed", "empty file"]
    assert list(manifest["status"]) == ["ok", "ok", "quarantined"]
    pd.testing.assert_frame_equal(with_refusals(manifest, {}), manifest)
