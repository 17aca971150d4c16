"""Vega-Lite as the page carries it: its JavaScript inside the file, and charts in our colours."""

import json
import os
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from biomass_pipeline.reporting.canvas import Theme
from biomass_pipeline.whole import write_whole

_FONT: Final = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"
)


@cache
def vega_library() -> str:
    """The JavaScript of Vega, Vega-Lite and Vega-Embed, which defines `vegaEmbed`.

    vl-convert carries it and needs some seconds to bundle it, so the bundle is kept in the user's
    cache folder, by vl-convert's version.
    """
    kept = _cache_folder() / f"vega-{version('vl-convert-python')}.js"
    if kept.is_file():
        return kept.read_text(encoding="utf-8")
    import vl_convert  # noqa: PLC0415  # loads a JavaScript engine

    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub forgets the default
    try:
        write_whole(kept, lambda path: path.write_text(bundle, encoding="utf-8"))
    except OSError:
        # A home that nobody may write to: the next process bundles again.
        return bundle
    return bundle


def chart_config(theme: Theme) -> dict[str, Any]:
    """Vega-Lite's configuration in the colours of a page, so that specs need name none."""
    ink, faint = theme.ink, theme.faint
    return {
        "background": None,
        "font": _FONT,
        "view": {"stroke": None},
        "axis": {
            "labelColor": ink,
            "titleColor": ink,
            "gridColor": faint,
            "gridOpacity": 0.5,
            "domainColor": ink,
            "tickColor": ink,
            "titleFontWeight": "normal",
            "labelFontSize": 11,
            "titleFontSize": 12,
            "labelLimit": 110,
        },
        "legend": {
            "labelColor": ink,
            "titleColor": ink,
            "titleFontWeight": "normal",
            "labelFontSize": 11,
            "titleFontSize": 12,
            "labelLimit": 160,
        },
        "header": {"labelColor": ink, "labelFontSize": 12},
        "range": {
            "category": list(theme.colours),
            "ordinal": {"scheme": "viridis", "extent": list(theme.dates)},
            "ramp": {"scheme": "viridis", "extent": list(theme.dates)},
        },
        "style": {
            "agreement": {"stroke": ink, "color": ink, "strokeWidth": 1},
            "median": {"color": ink, "thickness": 2.5, "bandSize": 26, "size": 26},
            "smooth": {"color": ink, "strokeWidth": 2},
            "even": {"stroke": ink, "strokeDash": [4, 3]},
            "shares": {"color": theme.colours[0]},
            "interval": {"strokeWidth": 1.2},
            "photo": {
                "color": theme.colours[0],
                "cursor": "pointer",
                "size": 60,
                "stroke": theme.paper,
                "strokeWidth": 0.6,
            },
            "chosen": {"color": ink, "stroke": ink, "strokeWidth": 2.5, "size": 240},
        },
    }


def as_script_json(value: object) -> str:
    """JSON that may stand inside a `<script>` element, the same text for equal values."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "biomass_pipeline"
