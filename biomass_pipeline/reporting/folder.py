"""The report's folder: what lies beside the page, each file whole or not at all."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from biomass_pipeline.reporting.page import Report
from biomass_pipeline.reporting.pictures import Picture, vector_files
from biomass_pipeline.seal import as_comment, write_text
from biomass_pipeline.whole import write_whole

_FIGURES: Final = "figures"


def write_beside(folder: Path, report: Report) -> None:
    """Write Markdown, cards and figures, and delete figures of an earlier report.

    A figure for a paper that no longer shows what the page shows would be worse than none.

    Args:
        folder: Where the page is.
        report: What the page belongs to.
    """
    files = report.beside()
    for name, text in report.texts.items():
        marked = as_comment(text, "<!-- ", " -->")
        write_text(folder / name, marked, name=f"{folder.name}/{name}")
    _write(folder, {name: files[name] for name in files.keys() - report.texts})
    for old in sorted((folder / _FIGURES).glob("*.*")):
        if f"{_FIGURES}/{old.name}" not in files:
            old.unlink(missing_ok=True)


def write_figures(folder: Path, pictures: Sequence[Picture]) -> list[Path]:
    """Write each figure as SVG and PDF.

    Args:
        folder: Where the page is.
        pictures: The figures.

    Returns:
        The files.
    """
    files = vector_files(pictures)
    _write(folder / _FIGURES, files)
    return [folder / _FIGURES / name for name in files]


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        write_whole(folder / name, partial(_put, content))


def _put(content: bytes, path: Path) -> None:
    path.write_bytes(content)
