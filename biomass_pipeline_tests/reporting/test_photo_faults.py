from dataclasses import replace

import pytest

from biomass_pipeline.imaging import PhotoQuality
from biomass_pipeline.reporting.photo_faults import photo_faults

GOOD = PhotoQuality(
    sharpness=1000.0, lightness=0.4, burnt=0.0, black=0.0, border=0.0, stamped=False
)


def survey(**odd):
    """Ten photos, sharp to different degrees; the last one is as given."""
    photos = {f"p{i}": replace(GOOD, sharpness=800.0 + 40 * i) for i in range(9)}
    return photos | {"p9": replace(GOOD, **odd)}


def test_ordinary_photos_have_no_fault():
    assert photo_faults(survey()) == []


@pytest.mark.parametrize(
    ("odd", "fault"),
    [
        ({"sharpness": 100.0}, "blurred"),
        ({"burnt": 0.2}, "overexposed"),
        ({"lightness": 0.9}, "overexposed"),
        ({"black": 0.3}, "underexposed"),
        ({"lightness": 0.05}, "underexposed"),
        ({"border": 0.1}, "plain border"),
        ({"stamped": True}, "date stamp"),
    ],
)
def test_each_fault_is_told_of_the_photo_that_has_it(odd, fault):
    assert [(f.image_id, f.fault) for f in photo_faults(survey(**odd))] == [("p9", fault)]


def test_a_photo_half_as_sharp_as_the_others_is_not_blurred():
    assert photo_faults(survey(sharpness=450.0)) == []


def test_what_is_usual_for_the_survey_is_not_blurred():
    soft = {name: replace(each, sharpness=each.sharpness / 100) for name, each in survey().items()}

    assert photo_faults(soft) == []


def test_a_few_photos_are_not_compared():
    assert photo_faults({"a": GOOD, "b": replace(GOOD, sharpness=1.0)}) == []
