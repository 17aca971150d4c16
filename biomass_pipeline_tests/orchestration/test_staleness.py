"""The contract with Dagster's private staleness resolver, and the sentences made from it."""

import inspect

import dagster as dg
import pytest

from biomass_pipeline.orchestration import Node, Verdict
from biomass_pipeline.orchestration.staleness import Judgement, backfilled, judge, nodes

# The minor versions on which every test of this file was seen to pass.
KNOWN_ON = ("1.13.",)
ADVICE = (
    f"Dagster {dg.__version__} is not one of {KNOWN_ON}x, on which orchestration/staleness.py is "
    "known to work: it asks CachingStaleStatusResolver, which is private. If every other test of "
    "this file passes, add the version to KNOWN_ON; else mend staleness.py, which alone uses it."
)
FOLDS = dg.StaticPartitionsDefinition(["0", "1"])


class TestContract:
    def test_this_dagster_is_a_known_one(self):
        assert dg.__version__.startswith(KNOWN_ON), ADVICE

    def test_the_resolver_is_where_it_was(self):
        try:
            from dagster._core.definitions.data_version import (  # noqa: PLC0415
                CachingStaleStatusResolver,
                StaleCause,
                StaleStatus,
            )
            from dagster._core.loader import LoadingContextForTest  # noqa: PLC0415
        except ImportError as error:
            pytest.fail(f"{error}. {ADVICE}")
        assert {status.name for status in StaleStatus} == {"MISSING", "STALE", "FRESH"}, ADVICE
        assert parameters(CachingStaleStatusResolver)[:3] == [
            "instance",
            "asset_graph",
            "loading_context",
        ], ADVICE
        for name in ("get_status", "get_stale_causes"):
            method = getattr(CachingStaleStatusResolver, name, None)
            assert method is not None, ADVICE
            assert parameters(method)[1:3] == ["key", "partition_key"], ADVICE
        assert {"key", "category", "reason", "dependency"} <= {*parameters(StaleCause)}, ADVICE
        assert parameters(LoadingContextForTest)[:1] == ["instance"], ADVICE
        assert "get_current_data_version" in dir(CachingStaleStatusResolver), ADVICE

    def test_backfills_under_way_can_be_asked_for(self, instance):
        try:
            from dagster._core.execution.backfill import (  # noqa: PLC0415
                BulkActionStatus,
                PartitionBackfill,
            )
        except ImportError as error:
            pytest.fail(f"{error}. {ADVICE}")
        assert backfilled(instance) == set(), ADVICE
        for number, status in enumerate(
            (BulkActionStatus.REQUESTED, BulkActionStatus.COMPLETED_SUCCESS)
        ):
            instance.add_backfill(
                PartitionBackfill(
                    backfill_id=f"b{number}",
                    status=status,
                    from_failure=False,
                    tags={},
                    backfill_timestamp=0.0,
                    asset_selection=[dg.AssetKey(f"asset_{number}")],
                )
            )
        assert backfilled(instance) == {"asset_0"}, ADVICE


def parameters(call):
    return list(inspect.signature(call).parameters)


def definitions(*, code="1", with_new=False):
    """A watched source, a table, and a partitioned asset on both."""

    @dg.asset
    def new() -> None:
        """Depended on only later."""

    @dg.asset(code_version=code)
    def table() -> dg.MaterializeResult:
        return dg.MaterializeResult(data_version=dg.DataVersion(code))

    @dg.asset(partitions_def=FOLDS, deps=[table, *([new] if with_new else [])], code_version="1")
    def model() -> dg.MaterializeResult:
        return dg.MaterializeResult(data_version=dg.DataVersion("m"))

    return dg.Definitions(assets=[new, table, model], executor=dg.in_process_executor)


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def materialize(defs, instance, name, *, fold=None):
    job = defs.resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(
        instance=instance, asset_selection=[dg.AssetKey(name)], partition_key=fold
    ).success


def verdicts(defs, instance):
    return {str(verdict.node): verdict for verdict in judge(defs, instance, nodes(defs))}


@pytest.fixture
def done(instance):
    defs = definitions()
    materialize(defs, instance, "new")
    materialize(defs, instance, "table")
    for fold in ("0", "1"):
        materialize(defs, instance, "model", fold=fold)
    return instance


class TestJudging:
    def test_what_never_ran_is_missing(self, instance):
        found = verdicts(definitions(), instance)
        assert all(verdict.missing for verdict in found.values())
        assert found["model[1]"].reasons == ("never materialized",)

    def test_what_ran_is_fresh(self, done):
        assert all(verdict.fresh for verdict in verdicts(definitions(), done).values())

    def test_one_fold_may_be_missing(self, instance):
        defs = definitions()
        materialize(defs, instance, "table")
        materialize(defs, instance, "model", fold="1")
        found = verdicts(defs, instance)
        assert (found["model[0]"].missing, found["model[1]"].fresh) == (True, True)

    def test_a_changed_code_version_says_so(self, done):
        found = verdicts(definitions(code="2"), done)
        assert found["table"].reasons == ("its code or its part of the configuration changed",)
        # One hop: what lies behind waits for the new content.
        assert found["model[0]"].fresh

    def test_a_changed_input_is_named(self, done):
        defs = definitions(code="2")
        materialize(defs, done, "table")
        found = verdicts(defs, done)
        assert found["table"].fresh
        assert found["model[0]"].reasons == ("table changed",)
        assert not found["model[0]"].missing

    def test_a_new_input_is_named(self, done):
        found = verdicts(definitions(with_new=True), done)
        assert found["model[1]"].reasons == ("now depends on new",)


class TestParents:
    @pytest.fixture
    def judgement(self, instance):
        return Judgement(definitions(with_new=True).resolve_asset_graph(), instance)

    def test_every_fold_is_made_of_the_whole_table(self, judgement):
        assert judgement.parents(Node("model", "1")) == (Node("new"), Node("table"))

    def test_a_mapping_says_which_folds(self, instance):
        @dg.asset(partitions_def=FOLDS)
        def cache() -> None:
            """Two folds."""

        others = dg.StaticPartitionMapping({"0": "1", "1": "0"})

        @dg.asset(partitions_def=FOLDS, deps=[dg.AssetDep(cache, partition_mapping=others)])
        def network() -> None:
            """Learns from the other fold."""

        @dg.asset(deps=[network])
        def pooled() -> None:
            """Reads both."""

        graph = dg.Definitions(assets=[cache, network, pooled]).resolve_asset_graph()
        judgement = Judgement(graph, instance)
        assert judgement.parents(Node("network", "0")) == (Node("cache", "1"),)
        assert judgement.parents(Node("pooled")) == (Node("network", "0"), Node("network", "1"))

    def test_the_present_version_is_that_of_the_content(self, done):
        graph = definitions().resolve_asset_graph()
        assert Judgement(graph, done).version("table") == "1"


class TestNodes:
    def test_upstream_comes_first_and_folds_in_order(self):
        found = [str(node) for node in nodes(definitions(with_new=True))]
        assert set(found) == {"new", "table", "model[0]", "model[1]"}
        assert found[2:] == ["model[0]", "model[1]"]

    def test_sources_are_not_among_them(self):
        watched = dg.Definitions(assets=[dg.AssetSpec("source")])
        assert nodes(watched) == []

    def test_a_node_reads_like_the_ui(self):
        assert str(Node("report")) == "report"
        assert str(Node("patch_index", "3")) == "patch_index[3]"

    def test_fresh_means_neither_missing_nor_a_reason(self):
        node = Node("report")
        assert Verdict(node, missing=False, reasons=()).fresh
        assert not Verdict(node, missing=True, reasons=()).fresh
        assert not Verdict(node, missing=False, reasons=("x changed",)).fresh
