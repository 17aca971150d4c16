"""What a page says: enough to judge a fold by, small enough for an event, no part of a version."""

import base64
import re
from io import BytesIO

import pandas as pd
import pytest
from PIL import Image

from biomass_pipeline.assets.blueprint import content_version, preview_of
from biomass_pipeline.assets.pages import lines_of, scores_of, table_of
from biomass_pipeline_tests.farm import SETTINGS

CALL = "call"
# More than this is folded behind a link, and far more makes every query of the page slow.
MOST_BYTES = 100_000


def picture(value):
    """The size in pixels of the picture in Markdown, whose words are not empty."""
    found = re.fullmatch(r"!\[([^]]+)\]\(data:image/png;base64,([^)]+)\)", value.value)
    assert found, value.value[:80]
    assert len(value.value) < MOST_BYTES
    with Image.open(BytesIO(base64.b64decode(found[2]))) as drawn:
        return drawn.size


@pytest.fixture
def prediction(stand):
    return stand.predictions(1)


def test_a_folds_page_shows_scores_groups_and_a_picture(stand, prediction):
    page = prediction.metadata
    own = stand.folds().query("fold == 1")
    assert page["groups"] == own["group"].nunique()
    for group in own["group"].unique():
        assert f"| {group} |" in page["group_list"].value
    head = page["scores"].value.splitlines()[0]
    assert head == "| score | mil | ridge | stack | auto | constant |"
    assert "| RMSE mass_g (g) |" in page["scores"].value
    assert {f"r2_{model}" for model in ("mil", "ridge", "stack", "auto", "constant")} <= set(page)
    width, height = picture(page["predicted_against_measured"])
    assert min(width, height) > 200


def test_what_a_page_says_is_no_part_of_the_version(prediction):
    assert prediction.data_version == content_version(prediction.value)


def test_the_page_of_tiles_names_the_folds_groups(stand):
    page = stand.patch_index(2, how=CALL).metadata
    own = stand.folds().query("fold == 2")
    assert page["photos"] == len(own)
    assert page["groups"] == own["group"].nunique()
    assert all(f"| {group} | 2 |" in page["group_list"].value for group in set(own["group"]))


def test_the_page_of_folds_shows_what_each_holds_out(stand):
    page = stand.folds(how=CALL).metadata
    assert page["folds"].value.splitlines()[0] == "| fold | photos | groups | mean mass_g |"
    assert len(page["folds"].value.splitlines()) == 2 + 3
    assert page["groups"] == 6


def test_a_networks_page_shows_its_training(stand):
    page = stand.model("mil_checkpoint", 0, stand.caches(1, 2), how=CALL).metadata
    assert page["networks"].value.splitlines()[0] == "| network | epoch kept | inner RMSE (g) |"
    assert page["inner_rmse_g"] > 0
    assert picture(page["training"])[0] > 300


def test_without_logs_there_is_no_curve(stand):
    quiet = stand.config.compute.model_copy(update={"training_logs": ()})
    stand = stand.with_config(compute=quiet)
    page = stand.model("mil_checkpoint", 0, stand.caches(1, 2), how=CALL).metadata
    assert "training" not in page
    assert "networks" in page


def test_a_ridges_page_shows_what_was_chosen(stand):
    page = stand.model("ridge_baseline", 0, stand.caches(1, 2), how=CALL).metadata
    assert page["poolings"] == "mean"
    assert page["members"].value.splitlines()[0] == "| labels | relevance | penalty |"


def test_the_page_names_the_settings_that_decide(stand):
    settings = stand.asset("patch_index").metadata_by_key[stand.asset("patch_index").key]
    listing = settings["settings"].value
    assert f"| tiling.tile_px | {SETTINGS['tiling']['tile_px']} |" in listing
    assert "learning_rate" not in listing


def test_a_long_table_says_how_much_is_left_out():
    long = pd.DataFrame({"name": [f"photo {n}" for n in range(60)]})
    assert table_of(long).value.endswith("| photo 49 |\n\n… and 10 more")
    assert "more" not in table_of(long.head(50)).value
    assert table_of(long.head(0)).value == "none"
    assert lines_of([]).value == "none"


def test_models_stand_side_by_side():
    scores = pd.DataFrame({"model": ["constant", "ridge"], "R2": [0.0, 0.5]})
    assert scores_of(scores).value.splitlines()[::2] == [
        "| score | constant | ridge |",
        "| R2 | 0 | 0.5 |",
    ]


def test_a_wide_preview_is_turned_and_a_narrow_one_is_not():
    wide = pd.DataFrame({f"c{n}": ["x|y", "z"] for n in range(6)})
    assert preview_of(wide).splitlines()[:3] == [
        "| column | row 1 | row 2 |",
        "| --- | --- | --- |",
        "| c0 | x\\|y | z |",
    ]
    assert preview_of(wide[["c0"]]).splitlines()[0] == "| c0 |"
    assert preview_of(wide.head(0)).splitlines()[0].startswith("| c0 | c1 |")
