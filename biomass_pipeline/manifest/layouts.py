"""The two layouts of label files, both turned into one row an image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import pandas as pd

from biomass_pipeline.config import DataConfig
from biomass_pipeline.errors import UnknownLayoutError
from biomass_pipeline.manifest.cells import Cells
from biomass_pipeline.manifest.values import Report, iso_dates, masses

IMAGE: Final = "image_path"
# The column names of the CSIRO Image2Biomass files (arXiv 2510.22916).
_TARGET_NAME: Final = "target_name"
_TARGET: Final = "target"
_SAMPLE: Final = "sample_id"


@dataclass
class Findings:
    """What reading a label file brought to light, collected before anything is raised."""

    place: str
    problems: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, line: int, text: str) -> None:
        """Note a problem of one line."""
        self.problems.append((line, f"{self.place} {line}{text}"))

    def at(self, frame: pd.DataFrame, column: str, *, subject: bool = False) -> Report:
        """A reporter for the cells of a column, by position."""
        # Lists: a table may have a million bad cells, and pandas takes long to give one.
        lines = frame.index.tolist()
        subjects = _subjects(frame) if subject else [""] * len(lines)

        def report(position: int, text: str) -> None:
            self.add(lines[position], f", column `{column}`{subjects[position]}: {text}")

        return report

    def sorted_problems(self) -> list[str]:
        """All problems, in file order."""
        return [text for _, text in sorted(self.problems, key=lambda item: item[0])]


def check_layout(cells: Cells, spec: DataConfig) -> None:
    """Compare the columns with what the configured layout needs.

    Raises:
        UnknownLayoutError: A column is missing; says whether the other layout would fit.
    """
    found = [str(name) for name in cells.frame.columns]
    missing = {
        layout: [name for name in _needed(spec, layout) if name not in found]
        for layout in ("long", "wide")
    }
    if not missing[spec.layout]:
        return
    other = "wide" if spec.layout == "long" else "long"
    hint = f"The `{other}` layout fits: set `data.layout: {other}`." if not missing[other] else ""
    if _TARGET_NAME in found and _TARGET not in found:
        hint = "It has no `target` column, so no label: is it the test file of a competition?"
    gaps = ", ".join(f"`{name}`" for name in missing[spec.layout])
    problem = f"the `{spec.layout}` layout needs the missing column(s) {gaps}"
    raise UnknownLayoutError(cells.source, problem, found, hint=hint)


def one_row_an_image(cells: Cells, spec: DataConfig, findings: Findings) -> pd.DataFrame:
    """Bring either layout into one row an image, indexed by its first line.

    Returns:
        `image_path`, the targets that the file has (float64, NaN where a problem was noted), then
        all other columns as text.
    """
    frame = cells.frame.rename(columns={spec.image_column: IMAGE})
    frame[IMAGE] = frame[IMAGE].str.replace("\\", "/", regex=False).str.removeprefix("./")
    date = spec.date_column
    if date is not None and date in frame.columns:
        frame[date] = iso_dates(frame[date], report=findings.at(frame, date))
    for column in (IMAGE, *spec.group_columns):
        for line in frame.index[frame[column] == ""]:
            findings.add(int(line), f", column `{column}`: is empty")
    frame = frame[frame[IMAGE] != ""]
    convert = _from_long if spec.layout == "long" else _from_wide
    return convert(frame, spec, findings)


def _needed(spec: DataConfig, layout: str) -> Sequence[str]:
    if layout == "long":
        return (spec.image_column, _TARGET_NAME, _TARGET, *spec.group_columns)
    measured = [name for name in spec.target_names if name not in spec.identities]
    return (spec.image_column, *measured, *spec.group_columns)


def _from_wide(frame: pd.DataFrame, spec: DataConfig, findings: Findings) -> pd.DataFrame:
    for line, image in _cells(frame.iloc[_repeated(frame, [IMAGE])], IMAGE):
        findings.add(line, f": image `{image}` appears twice")
    frame = frame.drop_duplicates(IMAGE)
    targets = [name for name in spec.target_names if name in frame.columns]
    values = {name: masses(frame[name], report=findings.at(frame, name)) for name in targets}
    rest = frame.drop(columns=[IMAGE, *targets])
    return pd.concat([frame[[IMAGE]], pd.DataFrame(values, index=frame.index), rest], axis=1)


def _from_long(frame: pd.DataFrame, spec: DataConfig, findings: Findings) -> pd.DataFrame:
    _check_names(frame, spec, findings)
    _check_metadata(frame, findings)
    images = frame.drop_duplicates(IMAGE)
    rest = images.drop(columns=[IMAGE, _TARGET_NAME, _TARGET, _SAMPLE], errors="ignore")
    frame = frame[frame[_TARGET_NAME].isin(spec.target_names)]
    again = frame.iloc[_repeated(frame, [IMAGE, _TARGET_NAME])]
    for (line, image), name in zip(_cells(again, IMAGE), again[_TARGET_NAME], strict=True):
        findings.add(line, f": a second row for target `{name}` of image `{image}`")
    frame = frame.drop_duplicates([IMAGE, _TARGET_NAME])
    values = masses(frame[_TARGET], report=findings.at(frame, _TARGET, subject=True))
    columns: dict[str, pd.Series[float]] = {}
    for name in spec.target_names:
        own = frame[_TARGET_NAME] == name
        if not own.any() and name in spec.identities:
            continue
        column = pd.Series(values[own].to_numpy(), index=frame.loc[own, IMAGE])
        for line, image in _cells(images[~images[IMAGE].isin(column.index)], IMAGE):
            findings.add(line, f": image `{image}` has no row for target `{name}`")
        columns[name] = column.reindex(images[IMAGE]).set_axis(images.index)
    return pd.concat([images[[IMAGE]], pd.DataFrame(columns, index=images.index), rest], axis=1)


def _check_names(frame: pd.DataFrame, spec: DataConfig, findings: Findings) -> None:
    """A name that every image has is a target left out on purpose; any other is a mistake."""
    n_images = frame[IMAGE].nunique()
    unknown = frame[~frame[_TARGET_NAME].isin(spec.target_names)]
    images = unknown.groupby(_TARGET_NAME)[IMAGE].nunique()
    ignored = [str(name) for name in images.index[images == n_images] if name]
    findings.warnings += [f"target `{name}` is not configured and left out" for name in ignored]
    known = ", ".join(spec.target_names)
    for line, name in _cells(unknown[~unknown[_TARGET_NAME].isin(ignored)], _TARGET_NAME):
        text = f", column `{_TARGET_NAME}`: `{name}` is not a configured target ({known})"
        findings.add(line, text)


def _check_metadata(frame: pd.DataFrame, findings: Findings) -> None:
    """All rows of an image must agree on everything but the target."""
    first = frame.drop_duplicates(IMAGE).set_index(IMAGE)
    for column in frame.columns.difference([IMAGE, _TARGET_NAME, _TARGET, _SAMPLE]):
        odd = frame[frame[column] != frame[IMAGE].map(first[column])]
        for (line, found), image in zip(_cells(odd, column), odd[IMAGE], strict=True):
            earlier = f"but `{first.loc[image, column]}` in an earlier row of image `{image}`"
            findings.add(line, f", column `{column}`: `{found}`, {earlier}")


def _subjects(frame: pd.DataFrame) -> list[str]:
    """What each row is about."""
    pairs = zip(frame[_TARGET_NAME].tolist(), frame[IMAGE].tolist(), strict=True)
    return [f" ({name} of {image})" for name, image in pairs]


def _cells(frame: pd.DataFrame, column: str) -> Iterator[tuple[int, str]]:
    """Lines and text of a column."""
    return zip(frame.index.tolist(), frame[column].tolist(), strict=True)


def _repeated(frame: pd.DataFrame, columns: list[str]) -> list[int]:
    """Positions of rows that an earlier row already answers."""
    return [int(i) for i in frame[columns].duplicated().to_numpy().nonzero()[0]]
