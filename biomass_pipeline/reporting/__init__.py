"""What people look at: figures and the one-page report, made from tables that others computed.

Nothing here scores, trains or reads files: tables and metrics come in, bytes and text go out. An
interactive report or maps belong here too, beside `page`.
"""

from biomass_pipeline.reporting.canvas import DARK, LIGHT, Theme
from biomass_pipeline.reporting.figures import predicted_against_measured
from biomass_pipeline.reporting.page import ReportInputs, render_report
from biomass_pipeline.reporting.protocols import ProtocolLine, Spread, read_protocols
from biomass_pipeline.reporting.speed import speed_figure
from biomass_pipeline.reporting.versions import package_versions

__all__ = [
    "DARK",
    "LIGHT",
    "ProtocolLine",
    "ReportInputs",
    "Spread",
    "Theme",
    "package_versions",
    "predicted_against_measured",
    "read_protocols",
    "render_report",
    "speed_figure",
]
