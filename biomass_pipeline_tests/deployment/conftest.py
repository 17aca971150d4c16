"""One PostgreSQL and one stack for all tests of a module: they take longer to start than to use."""

import pytest

from biomass_pipeline_tests.deployment.postgres import missing_postgres, started_cluster
from biomass_pipeline_tests.deployment.stack import started_stack
from biomass_pipeline_tests.farm import build_farm

# Shorter waits than a deployment's; what is waited for is the same.
QUICK = {"run_monitoring": {"poll_interval_seconds": 1, "free_slots_after_run_end_seconds": 1}}


@pytest.fixture(scope="module")
def farm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    farm = build_farm(folder, n_sessions=4)
    # The smallest backbone that needs no weights: the servers build the configured one.
    farm.write(
        backbone={"name": "colour-texture"},
        folds={"n_folds": 2},
        compute={"device": "cpu"},
        automation={"interval_s": 5, "settle_s": 1.0},
    )
    return farm


@pytest.fixture(scope="module")
def cluster():
    if why := missing_postgres():
        pytest.skip(why)
    with started_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def stack(farm, cluster, tmp_path_factory):
    config = farm.folder / "biomass.yaml"
    folder = tmp_path_factory.mktemp("stack")
    with started_stack(folder, config, cluster, settings=QUICK) as stack:
        yield stack
