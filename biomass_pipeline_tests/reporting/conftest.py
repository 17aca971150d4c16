"""What was drawn, before it became a PNG."""

import pytest

from biomass_pipeline.reporting import canvas


@pytest.fixture
def drawn(monkeypatch):
    """The matplotlib figures that were turned into PNG."""
    seen = []
    made = canvas.FigureCanvasAgg

    def noted(figure):
        seen.append(figure)
        return made(figure)

    monkeypatch.setattr(canvas, "FigureCanvasAgg", noted)
    return seen
