"""A farm on which everything ran, as the command line leaves it."""

from biomass_pipeline_tests.cli.conftest import finished_farm

__all__ = ["finished_farm"]
