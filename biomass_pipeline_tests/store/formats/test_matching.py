"""An import of other photos or tiles than the fold's is refused, and says which they are."""

from dataclasses import replace

import numpy as np
import pytest

from biomass_pipeline.errors import OtherPhotosError
from biomass_pipeline.store import import_parcel
from biomass_pipeline.store.formats.matching import check_match
from biomass_pipeline_tests.store.fold import folder_at
from biomass_pipeline_tests.store.formats.parcels import REFUSED, contents_of, parcel_of


def changed(array, place, value):
    array = array.copy()
    array[place] = value
    return array


PARCEL = parcel_of(quarantined=(REFUSED,))
CONTENTS = contents_of(PARCEL)
IDS, SHAS = CONTENTS.image_ids, CONTENTS.image_sha256


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (
            replace(CONTENTS, image_ids=(*IDS[:3], "mine")),
            "fold 0: photo photo2 is none of its photos; photo mine is missing",
        ),
        (
            replace(CONTENTS, image_ids=("mine", *IDS[1:])),
            "photo broken is none of its photos; photo mine is missing",
        ),
        (
            replace(CONTENTS, image_sha256=(*SHAS[:3], "other")),
            r"photo photo2 has another content \(SHA-256\)",
        ),
        (
            replace(CONTENTS, image_sha256=("other", *SHAS[1:])),
            r"photo broken has another content \(SHA-256\)",
        ),
        (
            replace(CONTENTS, offsets=changed(CONTENTS.offsets, 3, 6)),
            "photo photo1 has 1 rows where its tiles have 2; photo photo2 has 2 rows",
        ),
        (
            replace(CONTENTS, coords=changed(CONTENTS.coords, 6, 99)),
            r"photo photo2, tile 1 lies at row_px, col_px \(40, 2\) instead of \(99, 99\)",
        ),
        (
            replace(CONTENTS, area_weight=changed(CONTENTS.area_weight, 6, 0.25)),
            "photo photo2 has other weights of its tiles",
        ),
        (replace(CONTENTS, rows_per_tile=2), "it has 1 rows a tile where there are 2"),
    ],
)
def test_what_differs_is_named(tmp_path, contents, said):
    folder = folder_at(tmp_path / "cache")
    with pytest.raises(OtherPhotosError, match=said):
        import_parcel(PARCEL, contents, folder, path=tmp_path / "fold_0.json")
    assert not list(tmp_path.iterdir())


def test_many_differences_are_counted(tmp_path):
    parcel = parcel_of((1,) * 9)
    wrong = replace(contents_of(parcel), image_sha256=("x",) * 9)
    with pytest.raises(OtherPhotosError, match=r"photo4 .*; and 4 more\. Nothing of it was taken"):
        check_match(parcel, wrong, path=tmp_path)


def test_the_fold_itself_matches(tmp_path):
    check_match(PARCEL, CONTENTS, path=tmp_path)
    assert np.array_equal(CONTENTS.offsets, [0, 1, 4, 5, 7])
