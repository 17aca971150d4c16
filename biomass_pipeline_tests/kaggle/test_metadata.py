"""Kaggle's rules for the two metadata files, each broken once."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from biomass_pipeline.kaggle.metadata import (
    DatasetMetadata,
    KernelMetadata,
    Licence,
    slug_of,
    title_of,
)

KERNEL = {
    "id": "ann/grass-features",
    "title": "Grass Features",
    "code_file": "script.py",
    "enable_internet": False,
}
DATASET = {"id": "ann/grass-wheel", "title": "Grass Wheel", "licenses": [{"name": "CC0-1.0"}]}
SLUGS = st.lists(
    st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=9), min_size=1, max_size=5
).map("-".join)


@given(SLUGS)
def test_a_title_gives_the_slug_that_it_was_made_of(slug):
    assert slug_of(title_of(slug)) == slug


@given(st.text(max_size=40))
def test_a_slug_is_its_own_slug(text):
    assert slug_of(slug_of(text)) == slug_of(text)


def test_letters_lose_their_accents_and_everything_else_is_one_dash():
    assert slug_of("  Prés & Pâturages, 2026! ") == "pres-paturages-2026"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"id": "grass-features"}, "expected OWNER/SLUG"),
        ({"id": "ann/Grass Features"}, "is no slug"),
        ({"id": "ann/gras", "title": "Grass"}, "at least 5 characters"),
        ({"title": "Grass"}, "gives the slug grass, not grass-features"),
        ({"id": "ann/" + "g" * 51, "title": "G" * 51}, "at most 50"),
        ({"code_file": ""}, "at least 1"),
        ({"language": "julia"}, "'python', 'r' or 'rmarkdown'"),
        ({"kernel_type": "cell"}, "'script' or 'notebook'"),
        ({"dataset_sources": ["grass"]}, "expected OWNER/SLUG"),
        ({"competition_sources": ["CSIRO biomass"]}, "is no slug"),
        ({"kernel_sources": ["ann/abc"]}, "at least 5 characters"),
        ({"enable_gpus": True}, "Extra inputs"),
    ],
)
def test_a_kernel_that_kaggle_would_refuse_or_misplace_is_refused(change, told):
    KernelMetadata.model_validate(KERNEL)
    with pytest.raises(ValidationError, match=told):
        KernelMetadata.model_validate(KERNEL | change)


@pytest.mark.parametrize("name", ["id", "title", "code_file", "enable_internet"])
def test_a_kernel_says_what_it_must(name):
    with pytest.raises(ValidationError, match="Field required"):
        KernelMetadata.model_validate({key: KERNEL[key] for key in KERNEL if key != name})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"title": "Grass"}, "at least 6"),
        ({"title": "G" * 51}, "at most 50"),
        ({"id": "ann/grass"}, "6 to 50 characters, grass has 5"),
        ({"id": "ann/" + "g" * 51}, "6 to 50 characters"),
        ({"licenses": []}, "at least 1"),
        ({"licenses": [{"name": "CC0-1.0"}] * 2}, "at most 1"),
        ({"licenses": [{"name": "MIT"}]}, "Input should be 'CC0-1.0'"),
        ({"subtitle": "too short"}, "at least 20"),
        ({"owner": "ann"}, "Extra inputs"),
    ],
)
def test_a_dataset_that_kaggle_would_refuse_is_refused(change, told):
    DatasetMetadata.model_validate(DATASET)
    with pytest.raises(ValidationError, match=told):
        DatasetMetadata.model_validate(DATASET | change)


def test_what_is_written_is_json_with_lists_and_booleans(tmp_path):
    found = KernelMetadata.model_validate(KERNEL | {"dataset_sources": ["ann/grass-wheel"]})
    found.write(tmp_path / "kernel-metadata.json")
    plain = json.loads((tmp_path / "kernel-metadata.json").read_text())
    assert (plain["is_private"], plain["enable_internet"]) == (True, False)
    assert plain["dataset_sources"] == ["ann/grass-wheel"]
    DatasetMetadata(
        id="ann/grass-wheel", title="Grass Wheel", licenses=(Licence(name="other"),)
    ).write(tmp_path / "dataset-metadata.json")
    plain = json.loads((tmp_path / "dataset-metadata.json").read_text())
    assert plain["licenses"] == [{"name": "other"}]
    assert "subtitle" not in plain
