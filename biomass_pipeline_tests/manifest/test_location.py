"""Paths and URLs are opened alike; what leads nowhere is named."""

import fsspec
import pytest

from biomass_pipeline.errors import UnreachableLocationError
from biomass_pipeline.manifest import ImageFolder, open_location, read_cells


def test_a_relative_path_starts_at_the_base(put, tmp_path):
    put("below/x.txt", "abc")
    with open_location("below/x.txt", base=tmp_path) as stream:
        assert stream.read() == b"abc"


def test_a_url_needs_no_base(tmp_path):
    with fsspec.open("memory://place/x.txt", "wb") as stream:
        stream.write(b"abc")
    with open_location("memory://place/x.txt", base=tmp_path) as stream:
        assert stream.read() == b"abc"


REACHES = {
    "a file": lambda url, base: open_location(url, base=base),
    "labels": lambda url, base: read_cells(url, base=base),
    "photos": lambda url, base: ImageFolder(url, base=base),
}


@pytest.mark.parametrize("kind", REACHES)
def test_an_unknown_kind_of_url_is_refused_by_name(kind, tmp_path):
    with pytest.raises(UnreachableLocationError, match=r"gs9://x/y\.csv cannot be reached"):
        REACHES[kind]("gs9://x/y.csv", tmp_path)
