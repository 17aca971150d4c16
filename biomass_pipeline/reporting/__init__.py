"""What people look at: figures and the one-page report, made from tables that others computed.

Nothing here scores, trains or reads files: tables and metrics come in, bytes and text go out. An
interactive report or maps belong here too, beside `page`.
"""

from biomass_pipeline.reporting.figures import DARK, LIGHT, Theme, predicted_against_measured
from biomass_pipeline.reporting.page import ReportInputs, render_report
from biomass_pipeline.reporting.speed import speed_figure
from biomass_pipeline.reporting.versions import package_versions

__all__ = [
    "DARK",
    "LIGHT",
    "ReportInputs",
    "Theme",
    "package_versions",
    "predicted_against_measured",
    "render_report",
    "speed_figure",
]
