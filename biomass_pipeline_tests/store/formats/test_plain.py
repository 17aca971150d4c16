"""Arrays that somebody else wrote become a fold's cache, or are refused by name."""

import numpy as np
import pytest

from biomass_pipeline.errors import (
    DamagedExportError,
    FeatureRangeError,
    OtherPhotosError,
    UnsafeExportError,
)
from biomass_pipeline.store import PlainFeatures, holds_plain_features, import_parcel
from biomass_pipeline_tests.store.fold import folder_at
from biomass_pipeline_tests.store.formats.parcels import (
    FINGERPRINT,
    contents_of,
    parcel_of,
    stamp_of,
)

PARCEL = parcel_of(ids=["a b", "ü\u2028x", "c"])
CONTENTS = contents_of(PARCEL)


def arrays():
    held = PARCEL.features
    return {
        "features": held.features,
        "offsets": held.offsets,
        "image_id": np.array(held.image_ids),
        "coords": held.coords,
    }


def write(folder, **changes):
    """Somebody's folder; an array that is None is left out."""
    folder.mkdir(exist_ok=True)
    for name, array in (arrays() | changes).items():
        if array is not None:
            np.save(folder / f"{name}.npy", array, allow_pickle=True)
    return folder


def taken(folder, where, *, dtype="float16"):
    """What the cache then holds."""
    parcel = PlainFeatures.open(folder).parcel(0, CONTENTS, stamp=stamp_of(dtype))
    cache = folder_at(where)
    import_parcel(parcel, CONTENTS, cache, path=folder)
    return cache.open(0, FINGERPRINT)


def test_rows_are_taken_over_as_they_are(tmp_path):
    folder = write(tmp_path / "theirs")
    assert holds_plain_features(folder)
    cache = taken(folder, tmp_path)
    assert cache.load().features.tobytes() == PARCEL.features.features.tobytes()
    assert cache.load().image_sha256 == CONTENTS.image_sha256
    assert cache.notes() == {"made_elsewhere": "yes"}


def test_ids_may_be_lines_and_places_may_be_left_out(tmp_path):
    folder = write(tmp_path / "theirs", image_id=None, coords=None)
    text = "\n".join(PARCEL.features.image_ids) + "\n"
    (folder / "image_id.txt").write_text(text, encoding="utf-8")
    cache = taken(folder, tmp_path)
    assert cache.load().features.tobytes() == PARCEL.features.features.tobytes()


def test_photos_are_found_by_id_in_any_order(tmp_path):
    held, order = PARCEL.features, (2, 0, 1)
    lengths = [len(held.bag(i)) for i in order]
    folder = write(
        tmp_path / "theirs",
        features=np.concatenate([held.bag(i) for i in order]),
        coords=np.concatenate([held.coords[held.rows(i)] for i in order]),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        image_id=np.array([held.image_ids[i] for i in order]),
    )
    assert taken(folder, tmp_path).load().features.tobytes() == held.features.tobytes()


def test_numbers_are_rounded_to_the_configured_type_within_its_range(tmp_path):
    fits = np.full(PARCEL.features.features.shape, 0.1, np.float64)
    cache = taken(write(tmp_path / "theirs", features=fits), tmp_path)
    assert cache.load().features[0, 0] == np.float16(0.1)
    large = write(tmp_path / "large", features=fits * 1e6)
    with pytest.raises(FeatureRangeError, match="float16 cannot hold"):
        taken(large, tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"features": None}, "features.npy is not a usable export: it is missing"),
        ({"offsets": None}, "offsets.npy is not a usable export: it is missing"),
        ({"image_id": None}, "image_id.txt is not a usable export: it is missing"),
        ({"features": np.zeros(6)}, "it holds float64 in 1 axes"),
        ({"features": np.zeros((6, 2), int)}, "it holds int64 in 2 axes"),
        ({"features": np.array([[object()]])}, "cannot be loaded|allow_pickle|object"),
        ({"image_id": np.array([1, 2, 3])}, "it holds int64 in 1 axes"),
        ({"offsets": np.array([0, 3, 6])}, "3 ids need 4 offsets, but there are 3"),
        ({"offsets": np.array([0, 3, 4, 5])}, "the offsets do not cover its 6 rows"),
        ({"offsets": np.array([0, 4, 4, 6])}, "the offsets do not cover its 6 rows"),
        ({"coords": np.zeros((6, 3), int)}, "does not have a row_px and a col_px for each row"),
        ({"image_id": np.array(["a", "b", "a"])}, "photo a stands in it twice"),
    ],
)
def test_arrays_that_do_not_go_together(tmp_path, changes, problem):
    folder = write(tmp_path / "theirs", **changes)
    with pytest.raises(DamagedExportError, match=problem):
        PlainFeatures.open(folder)


def test_no_link_is_followed(tmp_path):
    folder = write(tmp_path / "theirs")
    (folder / "offsets.npy").rename(tmp_path / "elsewhere.npy")
    (folder / "offsets.npy").symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(UnsafeExportError, match=r"offsets\.npy"):
        PlainFeatures.open(folder)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"image_id": np.array(["a b", "other", "c"])}, "photo ü\u2028x is missing"),
        ({"offsets": np.array([0, 2, 4, 6])}, "photo a b has 2 rows where its tiles have 3"),
        ({"coords": np.zeros((6, 2), int)}, "photo a b has tiles at other places"),
    ],
)
def test_photos_and_tiles_that_differ_are_named(tmp_path, changes, problem):
    found = PlainFeatures.open(write(tmp_path / "theirs", **changes))
    with pytest.raises(OtherPhotosError, match=problem):
        found.parcel(0, CONTENTS, stamp=stamp_of())


def test_a_photo_that_no_fold_has_is_named(tmp_path):
    found = PlainFeatures.open(write(tmp_path / "theirs", image_id=np.array(["a b", "new", "c"])))
    with pytest.raises(OtherPhotosError, match="any fold: photo new is none of its photos"):
        found.check_known([CONTENTS])
    assert found.holds(CONTENTS)
