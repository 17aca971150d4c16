"""Distributions of a mass: never negative, often exactly zero. Torch objects, one a family.

What may live here: what is known of a distribution once its parameters are. How a network arrives
at parameters is `mil.likelihoods`.
"""

from biomass_pipeline.mil.distributions.distribution import Distribution
from biomass_pipeline.mil.distributions.gamma_hurdle import GammaHurdle
from biomass_pipeline.mil.distributions.hurdle import Hurdle
from biomass_pipeline.mil.distributions.tweedie import Tweedie
from biomass_pipeline.mil.distributions.ziln import Ziln

__all__ = ["Distribution", "GammaHurdle", "Hurdle", "Tweedie", "Ziln"]
