"""What people look at: figures and the one-page report, made from tables that others computed.

Nothing here scores or trains: tables, metrics and a way to open photos come in, bytes and text go
out. `page` puts the report together; a figure is drawn by matplotlib to be still, and described in
Vega-Lite to be asked.
"""

from biomass_pipeline.reporting.album import Album, read_album
from biomass_pipeline.reporting.canvas import DARK, LIGHT, Theme
from biomass_pipeline.reporting.figures import predicted_against_measured
from biomass_pipeline.reporting.folder import write_beside, write_figures
from biomass_pipeline.reporting.making import StageRecord
from biomass_pipeline.reporting.page import (
    Report,
    ReportInputs,
    make_report,
    render_report,
    report_figures,
)
from biomass_pipeline.reporting.pictures import Picture
from biomass_pipeline.reporting.protocols import ProtocolLine, Spread, read_protocols
from biomass_pipeline.reporting.speed import speed_figure
from biomass_pipeline.reporting.unlike import WORST, photos_by_cost
from biomass_pipeline.reporting.versions import package_versions
from biomass_pipeline.reporting.worst_maps import HeldOut, WorstMaps, draw_worst_maps

__all__ = [
    "DARK",
    "LIGHT",
    "WORST",
    "Album",
    "HeldOut",
    "Picture",
    "ProtocolLine",
    "Report",
    "ReportInputs",
    "Spread",
    "StageRecord",
    "Theme",
    "WorstMaps",
    "draw_worst_maps",
    "make_report",
    "package_versions",
    "photos_by_cost",
    "predicted_against_measured",
    "read_album",
    "read_protocols",
    "render_report",
    "report_figures",
    "speed_figure",
    "write_beside",
    "write_figures",
]
