"""Field photos and weighed grams to honest, calibrated, always-current biomass predictions."""

__version__ = "0.1.0"
