"""One process keeps everything up to date; a failure holds up only what needs it."""

import shutil

import pytest

from biomass_pipeline.orchestration import open_instance
from biomass_pipeline.orchestration.keeping import Keeper
from biomass_pipeline_tests.farm import CountingBackbone, Farm, build_farm, graph_of

pytestmark = pytest.mark.slow


def keep(farm, *, backbone=None, tried=None, cause=""):
    """One round in a process of its own: what ran, what failed, what is held up."""
    backbone = backbone or CountingBackbone()
    project = farm.project()
    with open_instance(project.layout) as instance:
        graph = graph_of(project, instance, backbone=backbone)
        keeper = Keeper(
            type(graph)(graph.defs, graph.instance, cause), {} if tried is None else tried
        )
        said = []
        done = keeper.catch_up(on_step=said.append, on_failure=said.append)
        causes = {run.tags.get("biomass/cause", "") for run in instance.get_runs()}
    return done, backbone.n_tiles, causes


def names(nodes):
    return sorted(map(str, nodes))


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    farm = build_farm(tmp_path_factory.mktemp("template"))
    done, n_tiles, causes = keep(farm, cause="6 photos arrived")
    assert (done.failures, done.held_up, n_tiles) == ((), (), 24)
    assert causes == {"6 photos arrived"}
    return farm


@pytest.fixture
def done(template, tmp_path):
    """A copy of the farm on which everything ran."""
    shutil.copytree(template.folder, tmp_path, dirs_exist_ok=True)
    return Farm(tmp_path, dict(template.rows))


def test_with_nothing_new_nothing_runs(done):
    assert keep(done)[0].ran == ()


def test_a_photo_without_label_is_predicted_and_nothing_is_trained(done):
    done.photo("new.png", 99, blue=77)
    found, n_tiles, _ = keep(done)
    assert n_tiles == 2
    assert not any("checkpoint" in name for name in names(found.ran))
    assert {"image_manifest", "inference_features", "predictions"} <= set(names(found.ran))
    assert found.held_up == ()


def test_a_deleted_file_is_made_again(done):
    for file in (done.folder / "artefacts/features").glob("*/fold_1.h5"):
        file.unlink()
    found, n_tiles, _ = keep(done)
    assert names(found.ran) == ["feature_cache[1]"]
    assert n_tiles == 8


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """On the first run of a farm, one session cannot be embedded."""
    farm = build_farm(tmp_path_factory.mktemp("failing"))
    tried = {}
    found, *_ = keep(farm, backbone=CountingBackbone(fails_on_blue=3), tried=tried)
    return farm, tried, found


class TestAFailingFold:
    """It fails, the others go on, and it is left alone until something changes."""

    def test_the_others_finish_and_all_that_does_not_need_it(self, failed):
        _, _, found = failed
        (failure,) = found.failures
        assert failure.step.job == "extract"
        fold = failure.step.fold
        assert failure.notice().title == f"`patch_index`, `feature_cache` of fold {fold} failed"
        assert "no memory left on the device" in failure.notice().lines[0]
        ran = names(found.ran)
        others = sorted({"0", "1", "2"} - {fold})
        # Model k never reads fold k, so the failing fold's own model is trained.
        assert [name for name in ran if name.startswith("feature_cache")] == [
            f"feature_cache[{other}]" for other in others
        ]
        assert [name for name in ran if "mil_checkpoint" in name] == [f"mil_checkpoint[{fold}]"]
        held = names(found.held_up)
        assert f"feature_cache[{fold}]" in held
        assert "report" in held

    def test_it_is_not_tried_again_until_an_input_changes(self, failed):
        farm, tried, found = failed
        again, n_tiles, _ = keep(farm, backbone=CountingBackbone(fails_on_blue=3), tried=tried)
        assert (again.ran, again.failures, n_tiles) == ((), (), 0)
        assert again.held_up == found.held_up
        farm.photo("s3n0.png", 50, blue=33)
        farm.photo("s3n1.png", 60, blue=34)
        mended, n_tiles, _ = keep(farm, backbone=CountingBackbone(fails_on_blue=3), tried=tried)
        assert (mended.failures, mended.held_up) == ((), ())
        # The fold's other two photos were kept when it failed.
        assert n_tiles == 4
