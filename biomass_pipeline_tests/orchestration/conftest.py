"""One farm on which everything ran, for all tests that begin where a run ended."""

import pytest

from biomass_pipeline.orchestration import open_instance
from biomass_pipeline_tests.farm import CountingBackbone, build_farm, graph_of, run_all


@pytest.fixture(scope="session")
def first_run(tmp_path_factory):
    """The farm, what ran on it, and how many tiles were embedded; not to be touched."""
    farm, backbone = build_farm(tmp_path_factory.mktemp("first_run")), CountingBackbone()
    with open_instance(farm.project().layout) as instance:
        ran = run_all(graph_of(farm.project(), instance, backbone=backbone))
    return farm, ran, backbone.n_tiles
