"""`biomass ...`: thin verbs that call a room or materialize the assets that the UI shows."""

from biomass_pipeline.cli.app import main

__all__ = ["main"]
