"""What was drawn, before it became a PNG."""

import pytest
from matplotlib.backends import backend_agg


@pytest.fixture
def drawn(monkeypatch):
    """The matplotlib figures that were turned into PNG."""
    seen = []
    made = backend_agg.FigureCanvasAgg

    def noted(figure):
        seen.append(figure)
        return made(figure)

    monkeypatch.setattr(backend_agg, "FigureCanvasAgg", noted)
    return seen
