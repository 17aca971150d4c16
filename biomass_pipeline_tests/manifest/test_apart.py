"""Photos looked at in processes get the same rows; one that kills its decoder is quarantined."""

from functools import partial

import pandas as pd
import pytest

from biomass_pipeline.errors import LostDecoderError, TooManyQuarantinedError
from biomass_pipeline.isolation import Answer, Isolation
from biomass_pipeline.manifest import ImageFolder, ReadLimits, check_quarantine, image_manifest
from biomass_pipeline.manifest.apart import inspect_apart
from biomass_pipeline_tests.isolation import faults
from biomass_pipeline_tests.isolation.conftest import left
from biomass_pipeline_tests.rasters import PLACED, TILED, geotiff, smooth

TREACHEROUS = Isolation(limit_s=2.5, prepare=faults.treacherous)


@pytest.fixture
def look(tmp_path):
    """The manifest of the photos, remembered."""
    return partial(
        image_manifest,
        ImageFolder("photos", base=tmp_path),
        labels=None,
        sidecar=tmp_path / "hashes.parquet",
        max_pixels=10_000,
        stream_above_px=3_000,
    )


def test_the_table_is_the_same(look, put, photo):
    put("photos/a.png", photo(1))
    put("photos/b.jpg", photo(2, "JPEG"))
    put("photos/cut.jpg", photo(3, "JPEG", height=60, width=60)[:-200])
    put("photos/empty.jpg", b"")
    put("photos/map.tif", geotiff(smooth(64, 64), nodata=0, **TILED, **PLACED))
    put("photos/bomb.png", photo(4, height=101, width=101))
    here = look(sidecar=None)
    there = look(sidecar=None, isolation=Isolation(limit_s=30))
    pd.testing.assert_frame_equal(there, here, check_exact=True)
    assert set(here["status"]) == {"ok", "quarantined"}
    assert here["crs"].any()


def test_a_photo_that_kills_its_decoder_is_quarantined_and_looked_at_again(look, put, photo):
    before = left()[0]
    put("photos/good.jpg", photo(1, "JPEG"))
    put("photos/crash.jpg", faults.marked(photo(2, "JPEG"), faults.aborts))
    put("photos/hang.jpg", faults.marked(photo(3, "JPEG"), faults.hangs))
    found = look(isolation=TREACHEROUS).set_index("image_id")
    assert dict(found["reason"]) == {
        "crash": "the decoder crashed (signal 6)",
        "good": "",
        "hang": "the decoder took longer than 2.5 s",
    }
    assert dict(found["status"]) == {
        "crash": "quarantined",
        "good": "ok",
        "hang": "quarantined",
    }
    assert (found["sha256"] != "").all()
    with pytest.raises(TooManyQuarantinedError, match=r"the decoder crashed \(signal 6\): 1"):
        check_quarantine(found.reset_index(), limit=0.5)
    assert left()[0] <= before
    # Their bytes are the same; with a decoder that gets over them they are photos.
    assert (look()["status"] == "ok").all()


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"size_px": [2]},
        {"size_px": [0, 2]},
        {"size_px": [6, 9], "warning": 3},
        {"size_px": [6, 9], "warning": "", "crs": "", "transform": "", "valid_fraction": 7.5},
        {
            "size_px": [6, 9],
            "warning": "",
            "crs": "",
            "transform": "",
            "valid_fraction": 1.0,
            "perceptual_hash": "xyz",
        },
    ],
)
def test_what_is_no_inspection_is_not_believed(facts):
    class Liar:
        def ask(self, *_, **__):
            return Answer(facts)

    with pytest.raises(LostDecoderError, match="no sensible answer"):
        inspect_apart(Liar(), None, limits=ReadLimits(10_000, 10_000))
