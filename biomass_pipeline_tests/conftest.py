"""What every test shares: the hypothesis profile, and a way to leave figures blank."""

import pytest
from hypothesis import settings
from matplotlib.figure import Figure

settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")


@pytest.fixture(scope="module")
def blank_figures():
    """Figures on which nothing is painted: for tests of what runs, not of what is seen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "draw", lambda *_, **__: None)
        yield
