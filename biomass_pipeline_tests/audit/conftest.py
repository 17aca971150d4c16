"""A farm on which everything ran, as the command line leaves it."""

import pytest

from biomass_pipeline.cli.running import run_stale
from biomass_pipeline_tests.farm import build_farm


@pytest.fixture(scope="session")
def finished_farm(tmp_path_factory):
    """Not to be touched."""
    farm = build_farm(tmp_path_factory.mktemp("finished"))
    farm.write(backbone={"name": "colour-texture"})
    assert run_stale(farm.folder / "biomass.yaml", ()) == 0
    return farm
