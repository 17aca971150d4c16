"""`biomass export kaggle`, and the walk of its kernels beside the graph of the same project."""

import json

import pandas as pd
import pytest

from biomass_pipeline.inference.embedding import Workplace, lanes_of
from biomass_pipeline.kaggle.walk import Survey, extract, judge, out_of_fold, train
from biomass_pipeline.layout import Layout

SMALL = ("--user", "ann", "--slug", "grass")


def test_it_says_what_kernels_will_take_and_where_the_commands_are(biomass, elsewhere):
    ended = biomass("export", "kaggle", *SMALL, "-o", "out", "--limit-hours", "9")
    assert ended.code == 0
    assert "Settings: the defaults" in ended.out
    assert "to embed: 357 photos, 5355 tiles; 31.1 tiles/s, measured on 2 cores" in ended.flat
    assert "limits: 9 h, 31 GB" in ended.flat
    assert "Next: out/README.md has the commands" in ended.flat
    assert (elsewhere / "out" / "submit" / "kernel-metadata.json").is_file()


def test_a_program_gets_hours_bytes_and_warnings(biomass):
    words = (*SMALL, "-o", "out", "--photos", "100000", "--set", "backbone.name=dinov2_vitg14")
    found = biomass("export", "kaggle", *words, "--json").json
    assert found["kernels"] == ["ann/grass-features", "ann/grass-submit"]
    assert found["internet"] is True
    expected = found["expected"]["extract"]
    assert expected["tiles"] == 1_500_000
    assert expected["hours"] > 12
    assert "over the limit of 12 h" in expected["warnings"][0]
    assert expected["rate_source"].startswith("assumed: ")
    assert found["expected"]["submit"]["peak_bytes"] > 1e9


def test_the_demos_settings_are_never_taken_for_a_competition(biomass, elsewhere):
    (elsewhere / "data" / "demo").mkdir(parents=True)
    (elsewhere / "data" / "demo" / "biomass.yaml").write_text("tiling: {tile_px: 250}")
    assert "Settings: the defaults" in biomass("export", "kaggle", *SMALL, "-o", "out").out
    (elsewhere / "biomass.yaml").write_text("tiling: {tile_px: 300, stride_px: 300}")
    ended = biomass("export", "kaggle", *SMALL, "-o", "out", "--force")
    assert "Settings: biomass.yaml" in ended.out
    assert "tile_px: 300" in (elsewhere / "out" / "extract" / "script.py").read_text()


def test_a_name_that_kaggle_refuses_is_one_message(biomass):
    ended = biomass("export", "kaggle", "--user", "ann", "--slug", "My Grass", "-o", "out")
    assert ended.code == 2
    assert "Kaggle would refuse these names" in ended.flat


@pytest.mark.slow
def test_the_projects_own_caches_go_along(biomass, done):
    ended = biomass("export", "kaggle", *SMALL, "-o", "out", "--caches-from", "project")
    assert ended.code == 0
    names = sorted(path.name for path in (done.folder / "out" / "caches").glob("*.h5"))
    assert names == ["fold_0.h5", "fold_1.h5", "fold_2.h5", "inference.h5"]


@pytest.mark.slow
def test_the_walk_gives_what_the_graph_gave(done, tmp_path):
    """The same bytes of features; predictions and scores to rounding, which threads decide."""
    project = done.project()
    survey = Survey.read(project.config, base=project.base, sidecar=None)
    layout = Layout(tmp_path / "walk")
    place = Workplace(cache=layout.root)
    parts = extract(survey, layout=layout, place=place, build=lanes_of(survey, place=place))
    caches = {part: written.cache for part, written in parts}
    for fold in range(3):
        ours = layout.feature_cache(survey.extraction, fold)
        assert (
            ours.read_bytes() == project.layout.feature_cache(survey.extraction, fold).read_bytes()
        )
    models = dict(train(survey, caches, layout=layout))
    oof = out_of_fold(survey, caches, models)
    expected = pd.read_parquet(project.layout.table("oof_predictions"))
    pd.testing.assert_frame_equal(oof, expected, rtol=1e-9, atol=1e-9)
    metrics = json.loads(project.layout.metrics.read_text())
    found = judge(survey, oof).metrics
    assert found["headline_model"] == metrics["headline_model"]
    for name, model in metrics["models"].items():
        assert found["models"][name]["weighted_r2"] == pytest.approx(model["weighted_r2"], rel=1e-9)
