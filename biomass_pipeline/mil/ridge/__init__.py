"""The ridge: pooled features, a penalty chosen on inner groups. No torch.

What may live here: everything between tile features with labels and the predictions of a linear or
kernel model of a photo's pooled tiles. scikit-learn is imported by what fits kernels only, and a
file is read and predicts without it.
"""

from biomass_pipeline.mil.ridge.files import (
    RIDGE_NAME,
    load_ridge,
    ridge_exists,
    save_ridge,
)
from biomass_pipeline.mil.ridge.fitting import fit_members, fit_ridge
from biomass_pipeline.mil.ridge.model import (
    RidgeModel,
    novelty_percentile,
    predict_points,
    predict_ridge,
)
from biomass_pipeline.mil.ridge.pooling import pool_bags

__all__ = [
    "RIDGE_NAME",
    "RidgeModel",
    "fit_members",
    "fit_ridge",
    "load_ridge",
    "novelty_percentile",
    "pool_bags",
    "predict_points",
    "predict_ridge",
    "ridge_exists",
    "save_ridge",
]
