"""Photos that are there twice: the same bytes, or the same picture saved, resized or turned."""

from typing import Final

import numpy as np
import pandas as pd

from biomass_pipeline.manifest.perception import hash_bits, turned

# Of 64 bits. Saving again at quality 30, resizing to a quarter, blurring by 2 px and brightening
# changed at most 6 in 180 photos, and 3 but for resizing; among 17,151 pairs of different photos
# the nearest were 14 apart.
CERTAIN_BITS: Final = 3
LIKELY_BITS: Final = 6

_ROWS_AT_ONCE: Final = 512
_N_BITS: Final = 64
_COLUMNS: Final = {"first": "str", "second": "str", "bits": "int64", "same_bytes": "bool"}


def near_duplicates(photos: pd.DataFrame, *, most_bits: int = LIKELY_BITS) -> pd.DataFrame:
    """Pairs of photos in different groups that show the same picture, the likest first.

    Turned and mirrored copies count. A copy of which more than some per cent was cut off is not
    recognised.

    Args:
        photos: Columns `image_id, group, sha256, perceptual_hash`, one row a photo; a photo without
            a perceptual hash is compared by its bytes only.
        most_bits: How many of the 64 bits may differ.

    Returns:
        Columns `first, second` (image ids), `bits` (that differ), `same_bytes`.
    """
    found = [*_same_bytes(photos), *_same_picture(photos, most_bits)]
    table = pd.DataFrame(found, columns=list(_COLUMNS)).astype(_COLUMNS)
    return table.sort_values(["bits", "first", "second"], kind="stable", ignore_index=True)


def _same_bytes(photos: pd.DataFrame) -> list[tuple[str, str, int, bool]]:
    known = photos[photos["sha256"] != ""]
    copies = known[known["sha256"].duplicated(keep=False)]
    pairs = []
    for _, same in copies.groupby("sha256"):
        names, groups = same["image_id"].tolist(), same["group"].tolist()
        pairs += [
            (names[i], names[j], 0, True)
            for i in range(len(names))
            for j in range(i + 1, len(names))
            if groups[i] != groups[j]
        ]
    return pairs


def _same_picture(photos: pd.DataFrame, most_bits: int) -> list[tuple[str, str, int, bool]]:
    known = photos[photos["perceptual_hash"] != ""]
    names, contents = known["image_id"].tolist(), known["sha256"].tolist()
    groups = pd.factorize(known["group"])[0]
    bits = hash_bits(known["perceptual_hash"].tolist())
    # As +1 and -1 the bits that differ are a product away.
    signs = [
        np.where(each, 1.0, -1.0).reshape(-1, _N_BITS).astype(np.float32) for each in turned(bits)
    ]
    pairs = []
    for start in range(0, len(names), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        alike = np.max([signs[0][part] @ other.T for other in signs], axis=0)
        apart = np.rint((_N_BITS - alike) / 2).astype(np.int64)
        near = (apart <= most_bits) & (groups[part, None] != groups)
        pairs += [
            (names[start + i], names[j], int(apart[i, j]), False)
            for i, j in np.argwhere(near).tolist()
            if start + i < j and contents[start + i] != contents[j]
        ]
    return pairs
