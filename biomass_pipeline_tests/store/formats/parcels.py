"""Parcels of a few ragged bags, and hypothesis strategies for them."""

import numpy as np
from hypothesis import strategies as st

from biomass_pipeline.store import FeatureSet, FoldContents, Parcel, Quarantined, Stamp

FINGERPRINT = "e" * 16
LENGTHS = (3, 1, 2)


def stamp_of(dtype="float16", width=5):
    return Stamp(FINGERPRINT, "fake", "w" * 8, 8, 8, "cls", "last", width, dtype)


def parcel_of(lengths=LENGTHS, *, dtype="float16", width=5, ids=None, seed=0, fold=0, **options):
    """A parcel whose features are every kind of finite number, -0.0 and subnormal ones too."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    n_rows = int(offsets[-1])
    ids = tuple(ids or (f"photo{i}" for i in range(len(lengths))))
    places = np.arange(n_rows, dtype=np.int32)
    held = FeatureSet(
        features=finite((n_rows, width), dtype, seed),
        coords=np.stack([8 * places, places % 3], axis=1).astype(np.int32),
        area_weight=np.concatenate([np.full(n, 1 / n, np.float32) for n in lengths]),
        image_ids=ids,
        image_sha256=tuple(f"c{i}" for i in range(len(ids))),
        offsets=offsets,
    )
    return Parcel(fold, held, stamp_of(dtype, width), **options)


def finite(shape, dtype, seed):
    """Random bits that are no NaN and no infinity."""
    kind = np.dtype(f"u{np.dtype(dtype).itemsize}")
    bits = np.random.default_rng(seed).integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)
    numbers = bits.view(dtype)
    return np.where(np.isfinite(numbers), numbers, np.dtype(dtype).type(-0.0))


def contents_of(parcel, **changes):
    """The fold that a parcel is of; its quarantined photos come first and have a tile."""
    held, refused = parcel.features, parcel.quarantined
    known = {
        "image_ids": (*(p.image_id for p in refused), *held.image_ids),
        "image_sha256": (*(p.image_sha256 for p in refused), *held.image_sha256),
        "paths": (*(p.path for p in refused), *(f"{name}.jpg" for name in held.image_ids)),
        "offsets": np.concatenate([np.arange(len(refused)), held.offsets + len(refused)]),
        "coords": np.concatenate([np.zeros((len(refused), 2), np.int32), held.coords]),
        "area_weight": np.concatenate([np.ones(len(refused), np.float32), held.area_weight]),
    }
    known |= changes
    return FoldContents(**known, tiles=known["coords"])


REFUSED = Quarantined("broken", "cx", "broken.jpg", "cut off")

ids = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12
)


@st.composite
def parcels(draw):
    """Ragged bags, one-tile bags, ids of any characters, both number types."""
    names = draw(st.lists(ids, min_size=1, max_size=4, unique=True))
    return parcel_of(
        draw(st.lists(st.integers(1, 4), min_size=len(names), max_size=len(names))),
        dtype=draw(st.sampled_from(["float16", "float32"])),
        width=draw(st.integers(1, 9)),
        ids=names,
        seed=draw(st.integers(0, 99)),
        notes=draw(st.dictionaries(st.sampled_from(["precision", "note"]), ids)),
        quarantined=draw(st.sampled_from([(), (REFUSED,)])),
    )


def same(one, other):
    """Whether two parcels are one, bit for bit."""
    arrays = [(parcel.arrays(), parcel) for parcel in (one, other)]
    (left, _), (right, _) = arrays
    return (
        all(left[k].dtype == right[k].dtype for k in left)
        and all(left[k].shape == right[k].shape for k in left)
        and all(left[k].tobytes() == right[k].tobytes() for k in left)
        and one.features.image_ids == other.features.image_ids
        and one.features.image_sha256 == other.features.image_sha256
        and (one.fold, one.stamp, one.rows_per_tile)
        == (other.fold, other.stamp, other.rows_per_tile)
        and (dict(one.notes), one.quarantined) == (dict(other.notes), other.quarantined)
    )
