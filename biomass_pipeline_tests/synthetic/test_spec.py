import pytest

from biomass_pipeline.synthetic import SyntheticSpec


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"n_states": 5}, "n_states must lie in 1..4, not 5"),
        ({"n_states": 0}, "not 0"),
        ({"n_sessions": 3}, "n_states <= n_sessions <= n_photos, found 4, 3, 120"),
        ({"n_photos": 20}, "found 4, 24, 20"),
        ({"height_px": 10}, "at least 40 px"),
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        SyntheticSpec(**wrong)
