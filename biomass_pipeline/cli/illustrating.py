"""`report --figures`: the report's figures as vectors, drawn from what the graph has made."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from biomass_pipeline import reporting
from biomass_pipeline.project import Project


def write_figures(project: Project) -> list[Path]:
    """Draw each figure of the report once more, as SVG and PDF, beside its PNG.

    Args:
        project: One whose report is there.

    Returns:
        The files.
    """
    layout = project.layout
    pictures = reporting.report_figures(
        reporting.ReportInputs(
            config=project.config,
            oof=pd.read_parquet(layout.table("oof_predictions")),
            metrics=_document(layout.metrics) or {},
            manifest=pd.read_parquet(layout.table("image_manifest")),
            label_warnings=(),
            fingerprints={},
            versions={},
            protocols=_document(layout.protocols),
            tuning=_document(layout.document("tuning")),
            labels=pd.read_parquet(layout.table("label_table")),
        )
    )
    return reporting.write_figures(layout.report.parent, pictures)


def _document(path: Path) -> dict[str, Any] | None:
    found: dict[str, Any] | None = (
        json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    )
    return found
