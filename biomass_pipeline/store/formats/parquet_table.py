"""Parquet: one table a fold, `fold_0.parquet`, a row a tile, features as a list of one length."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from biomass_pipeline.store.formats.parcel import Columns, Parcel
from biomass_pipeline.store.formats.record import Record

FAILURES: tuple[type[Exception], ...] = (pa.ArrowException,)
_GROUP_BYTES = 32 * 2**20


def write(parcel: Parcel, place: Path) -> None:
    """Write the table, a few rows at a time, uncompressed."""
    schema = _schema(parcel.stamp.dtype, parcel.stamp.feature_dim)
    ids = np.repeat(np.arange(parcel.n_photos, dtype=np.int32), np.diff(parcel.features.offsets))
    names = pa.array(parcel.features.image_ids, pa.string())
    n_rows, step = len(ids), _group_rows(parcel)
    with pq.ParquetWriter(
        _file(place), schema, compression="NONE", use_dictionary=["image_id"]
    ) as table:
        for start in range(0, n_rows, step):
            rows = slice(start, min(start + step, n_rows))
            table.write_batch(_batch(parcel, rows, pa.array(ids[rows]), names, schema))


def read(place: Path, record: Record) -> Columns:
    """Read the table, a row group at a time."""
    promises = record.promises()
    with pq.ParquetFile(_file(place), memory_map=True) as table:
        _check_head(table, record)
        columns = Columns(*(np.empty(each.shape, each.dtype) for each in promises.values()))
        start = 0
        for group in range(table.num_row_groups):
            read_rows = table.read_row_group(group, columns=_schema_names()[1:])
            rows = slice(start, start + read_rows.num_rows)
            _place(read_rows, columns, rows)
            start = rows.stop
    return columns


def _batch(
    parcel: Parcel, rows: slice, ids: pa.Array, names: pa.Array, schema: pa.Schema
) -> pa.RecordBatch:
    features, coords, area_weight = parcel.columns(rows)
    width = parcel.stamp.feature_dim
    numbers = pa.array(np.ascontiguousarray(features).reshape(-1))
    return pa.RecordBatch.from_arrays(
        [
            pa.DictionaryArray.from_arrays(ids, names),
            pa.array(np.ascontiguousarray(coords[:, 0])),
            pa.array(np.ascontiguousarray(coords[:, 1])),
            pa.array(np.ascontiguousarray(area_weight)),
            pa.FixedSizeListArray.from_arrays(numbers, width),
        ],
        schema=schema,
    )


def _place(table: pa.Table, columns: Columns, rows: slice) -> None:
    """Copy a row group's numbers to where they belong."""
    if table["features"].null_count or any(table[name].null_count for name in _schema_names()[1:4]):
        msg = "it has rows without numbers"
        raise ValueError(msg)
    columns.coords[rows, 0] = table["row_px"].to_numpy()
    columns.coords[rows, 1] = table["col_px"].to_numpy()
    columns.area_weight[rows] = table["area_weight"].to_numpy()
    lists = table["features"].combine_chunks()
    columns.features[rows] = _flat(lists).reshape(-1, columns.features.shape[1])


def _flat(lists: Any) -> NDArray[Any]:  # noqa: ANN401  # pyarrow has no types
    parts = lists.chunks if isinstance(lists, pa.ChunkedArray) else [lists]
    return np.concatenate([part.flatten().to_numpy(zero_copy_only=False) for part in parts])


def _check_head(table: pq.ParquetFile, record: Record) -> None:
    """Compare columns, rows and sizes with the record, before any of it is read.

    Raises:
        ValueError: They are not what was promised.
    """
    wanted = _schema(record.dtype, record.feature_dim)
    found = table.schema_arrow.remove_metadata()
    for name in _schema_names()[1:]:
        if name not in found.names or found.field(name).type != wanted.field(name).type:
            msg = f"its column {name} is missing or not {wanted.field(name).type}"
            raise ValueError(msg)
    if table.metadata.num_rows != record.n_rows:
        msg = f"it has {table.metadata.num_rows} rows where the record promises {record.n_rows}"
        raise ValueError(msg)
    groups = [table.metadata.row_group(group) for group in range(table.num_row_groups)]
    chunks = [group.column(place) for group in groups for place in range(group.num_columns)]
    if any(chunk.compression != "UNCOMPRESSED" for chunk in chunks):
        msg = "it is compressed, and so may unpack to more than the record promises"
        raise ValueError(msg)


def _schema(dtype: str, width: int) -> pa.Schema:
    number = pa.float16() if dtype == "float16" else pa.float32()
    kinds = (
        pa.dictionary(pa.int32(), pa.string()),
        pa.int32(),
        pa.int32(),
        pa.float32(),
        pa.list_(pa.field("element", number), width),
    )
    return pa.schema(list(zip(_schema_names(), kinds, strict=True)))


def _schema_names() -> list[str]:
    return ["image_id", "row_px", "col_px", "area_weight", "features"]


def _group_rows(parcel: Parcel) -> int:
    row_bytes = parcel.stamp.feature_dim * np.dtype(parcel.stamp.dtype).itemsize
    return int(max(1, _GROUP_BYTES // max(1, row_bytes)))


def _file(place: Path) -> Path:
    return place.with_name(f"{place.name}.parquet")
