"""What a materialization says it was made of is what Dagster compares it by."""

import warnings

import dagster as dg
import pytest

from biomass_pipeline.orchestration.provenance import traced

FOLDS = dg.StaticPartitionsDefinition(["0", "1", "2"])
OTHERS = dg.StaticPartitionMapping({"0": ["1", "2"], "1": ["0", "2"], "2": ["0", "1"]})


def made(version):
    return dg.MaterializeResult(data_version=dg.DataVersion(version))


with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.BetaWarning)

    @dg.observable_source_asset
    def raw_labels():
        return dg.DataVersion("labels-1")


@dg.asset
def tuning() -> dg.MaterializeResult:
    return made("tuning-1")


@dg.asset(partitions_def=FOLDS)
def cache(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return made(f"cache-{context.partition_key}")


@dg.asset(
    partitions_def=FOLDS,
    deps=[dg.AssetDep("cache", partition_mapping=OTHERS), "tuning", "raw_labels"],
)
@traced
def model(context: dg.AssetExecutionContext):
    return dg.MaterializeResult(
        data_version=dg.DataVersion("model-1"), metadata={"photos": 8, "fingerprint": "not this"}
    )


DEFS = dg.Definitions(
    assets=[raw_labels, tuning, cache, model],
    jobs=[
        dg.define_asset_job("look", selection=["raw_labels"]),
        dg.define_asset_job("caches", selection=["cache"]),
        dg.define_asset_job("train", selection=["model"]),
    ],
)


def run(instance, job, fold=None):
    return DEFS.resolve_job_def(job).execute_in_process(instance=instance, partition_key=fold)


@pytest.fixture
def page():
    """What the page of the model of fold 1 says, in a run that sees nothing else."""
    with dg.DagsterInstance.ephemeral() as instance:
        run(instance, "look")
        for fold in ("0", "2"):
            run(instance, "caches", fold)
        (event,) = run(instance, "train", "1").asset_materializations_for_node("model")
        return event


def test_it_names_each_input_and_fold_with_its_version(page):
    assert page.metadata["made_of"].value.splitlines() == [
        "| made of | fingerprint |",
        "| --- | --- |",
        "| `cache[0]` | `cache-0` |",
        "| `cache[2]` | `cache-2` |",
        "| `raw_labels` | `labels-1` |",
        # It is shown where it was made, and waits for nobody.
        "| `tuning` | none yet |",
    ]


def test_the_fingerprint_is_the_version_and_the_rest_of_the_page_stays(page):
    assert page.metadata["fingerprint"].value == "model-1"
    assert page.tags["dagster/data_version"] == "model-1"
    assert page.metadata["photos"].value == 8


def test_by_hand_there_is_a_fingerprint_and_no_run_to_ask():
    assert traced(lambda: made("a"))().metadata == {"fingerprint": "a"}


@pytest.mark.parametrize("other", [dg.DataVersion("a"), dg.MaterializeResult(), None])
def test_what_has_no_version_passes_unchanged(other):
    assert traced(lambda: other)() == other
