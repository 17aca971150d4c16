"""Surveys and sites drawn with a known shift, as the rooms under test take them."""

from dataclasses import replace

import numpy as np
import pandas as pd

from biomass_pipeline.config import DataConfig, EvaluationConfig
from biomass_pipeline.inference.shifts import learn_prior
from biomass_pipeline.mil.calibration import InnerTable
from biomass_pipeline.mil.predictive import PredictionSpec, predictive_of
from biomass_pipeline.mil.targets import TargetSpec
from biomass_pipeline.synthetic import COMPONENTS
from biomass_pipeline.synthetic.sites import SiteSpec, draw_sites

CSIRO = TargetSpec.from_config(DataConfig())
SPEC = PredictionSpec.from_config(EvaluationConfig())
WEIGHTS = np.array(CSIRO.weights)
_ORDER = [COMPONENTS.index(name) for name in CSIRO.components]


def inner_table(spec, *, n_groups, chance, photos=12):
    """What a model said of a survey's groups without having learnt from them."""
    drawn = list(draw_sites(n_groups, spec=replace(spec, n_photos=photos), chance=chance))
    predicted = np.concatenate([site.predicted for site in drawn])[:, _ORDER]
    weighed = np.concatenate([site.weighed for site in drawn])[:, _ORDER]
    return InnerTable(
        image_ids=np.array([f"train{row:05d}" for row in range(len(predicted))]),
        groups=np.repeat([f"g{number}" for number in range(n_groups)], photos),
        y=CSIRO.sums(weighed),
        components=predicted,
    )


def survey_prior(spec=None, *, n_groups=20, seed=0):
    """The prior learnt from one survey, and its inner table."""
    spec = spec or SiteSpec()
    inner = inner_table(spec, n_groups=n_groups, chance=np.random.default_rng(seed))
    return learn_prior([inner], targets=CSIRO), inner


def new_site(spec, inner, *, chance):
    """A new site's predictions and its true masses, shape (photo, target)."""
    site = next(draw_sites(1, spec=spec, chance=chance))
    found = predictive_of(
        tuple(f"p{row:03d}" for row in range(spec.n_photos)),
        site.predicted[:, _ORDER],
        inner=inner,
        targets=CSIRO,
        spec=SPEC,
    )
    return found, CSIRO.sums(site.weighed[:, _ORDER])


def cuts_of(predictive, y, rows, columns=None):
    """The table of some photos' masses; columns that are not named are not weighed."""
    rows = list(rows)
    table = pd.DataFrame(y[rows], columns=list(CSIRO.names))[list(columns or CSIRO.names)]
    return table.assign(image_id=[predictive.image_ids[row] for row in rows])


def weighted_error(y_pred, y):
    """Root of the metric's weighted mean square error."""
    return float(np.sqrt(((y_pred - y) ** 2).mean(axis=0) @ WEIGHTS))
