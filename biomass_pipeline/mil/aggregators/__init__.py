"""Aggregators: from the tiles of a photo to its outputs. A new one is a class and a line.

What may live here: pools, which weigh tiles and summarise them, and the two ways of asking a head:
once a photo, or at each tile. Every aggregator gives each tile its share of the prediction, so a
map of the shares adds up to the number that is reported, whatever the aggregator.
"""

from biomass_pipeline.mil.aggregators.asking import AdditiveAggregator, PhotoAggregator
from biomass_pipeline.mil.aggregators.pooled import Aggregator, Pooled
from biomass_pipeline.mil.aggregators.registry import AGGREGATORS, build_aggregator

__all__ = [
    "AGGREGATORS",
    "AdditiveAggregator",
    "Aggregator",
    "PhotoAggregator",
    "Pooled",
    "build_aggregator",
]
