"""The label sheet: one row an image, every cell checked."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class LabelSheet:
    """Labels as read from a file that was found correct.

    Attributes:
        source: The file.
        table: One row an image: `image_path`, the targets (float64, in their unit), then all other
            columns as text; dates as `2015-09-04`.
        lines: Where each row begins in the file, aligned with `table`.
        targets: The target columns.
        group_columns: The columns that say which photos belong together.
        warnings: What is odd, but not wrong enough to stop.
        place: What `lines` counts: `line` of a text file, `row` of a Parquet file.
    """

    source: str
    table: pd.DataFrame
    lines: "pd.Series[int]"
    targets: tuple[str, ...]
    group_columns: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    place: str = "line"
