"""Label files that are no tables are refused by name, and none is waited for."""

import os

import pandas as pd
import pytest

from biomass_pipeline.errors import LabelTableError, UnreachableLocationError
from biomass_pipeline.manifest import read_cells


def test_an_open_quotation_is_named_with_its_line(put, tmp_path):
    put("labels.csv", 'image_path,mass\na.png,"' + "1\n" * 100_000)
    with pytest.raises(LabelTableError, match=r"line 2: .*quotation mark left open"):
        read_cells("labels.csv", base=tmp_path)


def test_bytes_in_a_parquet_cell_are_named(tmp_path):
    pd.DataFrame({"image_path": [b"\xff"]}).to_parquet(tmp_path / "labels.parquet")
    with pytest.raises(LabelTableError, match="bytes that are no UTF-8 text"):
        read_cells("labels.parquet", base=tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "labels.csv")
    with pytest.raises(UnreachableLocationError, match="a pipe or a device"):
        read_cells("labels.csv", base=tmp_path)
