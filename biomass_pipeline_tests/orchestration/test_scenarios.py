"""What is stale runs and nothing else, whoever asks: automation, or `biomass run`."""

import dagster as dg
import pytest

from biomass_pipeline.errors import MixedTrainingError
from biomass_pipeline.orchestration import Node
from biomass_pipeline.orchestration.jobs import STAGES
from biomass_pipeline_tests.orchestration.scenarios import (
    FOLDS,
    SCENARIOS,
    ByAutomation,
    ByCommand,
    build_template,
    copy_of,
    plain_pages,
    play,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("blank_figures")]


@pytest.fixture(scope="module", autouse=True)
def _plain_pages():
    with plain_pages():
        yield


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path_factory.mktemp("home"))) as instance:
        yield build_template(folder, instance)


@pytest.mark.parametrize("kind", [ByAutomation, ByCommand])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_what_runs_is_what_the_table_says(template, tmp_path, scenario, kind):
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        world = copy_of(template, kind, tmp_path, instance)
        try:
            play(scenario, world)
            assert sorted(world.ran) == scenario.expected(world)
            assert scenario.photos_embedded(world) == scenario.embeds
            # And nothing is left to be done.
            graph = world.graph()
            assert all(verdict.fresh for verdict in graph.verdicts(graph.select()))
        finally:
            world.restore()


def test_no_two_folds_have_one_data_version(template):
    """One version for several partitions would hide that one of them changed."""
    graph = template.graph().defs.resolve_asset_graph()
    partitioned = [
        key
        for key in graph.materializable_asset_keys
        if graph.get(key).is_partitioned and graph.get(key).automation_condition
    ]
    assert {key.to_user_string() for key in partitioned} == {*STAGES["extract"], *STAGES["train"]}
    for key in partitioned:
        found = [_version(template.instance, key, fold) for fold in FOLDS]
        assert None not in found
        assert len({*found}) == len(FOLDS), key


def _version(instance, key, fold):
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=[fold]), limit=1
    ).records
    return records[0].asset_materialization.tags.get("dagster/data_version")


def test_folds_of_two_training_states_are_never_pooled(template, tmp_path):
    """Somebody retrains one fold only, and asks for the pooled predictions in the UI."""
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        world = copy_of(template, ByCommand, tmp_path, instance)
        world.write(training={"learning_rate": 0.02})
        models = [Node(name, "1") for name in ("mil_checkpoint", "ridge_baseline")]
        graph = world.graph()
        world.execute(graph, [*models, Node("fold_predictions", "1")], fold="1")
        with pytest.raises(MixedTrainingError, match=r"Fold\(s\) to rerun: 0\."):
            graph._execute("evaluate", [Node("oof_predictions")], fold=None)
        world.settle()
        assert "oof_predictions" in world.ran
