"""Surveys of 30 groups, 20 times: the folds' widened intervals cover photos of new groups.

Ridges of two features a component stand for a fold's model, so this is arithmetic only: each fold
learns from four fifths of the groups, calibrates on inner predictions of its own, and all predict
photos of groups that nothing has learnt from.
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.config import DataConfig, EvaluationConfig
from biomass_pipeline.inference.combining import combine
from biomass_pipeline.inference.ensemble import shared_variance
from biomass_pipeline.inference.paddocks import paddock_summary
from biomass_pipeline.mil.calibration import InnerTable
from biomass_pipeline.mil.predictive import PredictionSpec, predictive_of
from biomass_pipeline.mil.targets import TargetSpec

pytestmark = pytest.mark.slow

CSIRO = TargetSpec.from_config(DataConfig())
SPEC = PredictionSpec.from_config(EvaluationConfig(n_draws=40))
N_FOLDS, N_GROUPS, N_NEW, N_REPLICATIONS = 5, 30, 100, 20
WIDTH = 12
TOTAL = CSIRO.names.index("Dry_Total_g")


def ridge(x, y, new, *, penalty=10.0):
    """Points of new photos, clipped at 0."""
    mean = x.mean(axis=0)
    centred = x - mean
    gram = centred.T @ centred + penalty * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, centred.T @ (y - y.mean(axis=0)))
    return np.maximum((new - mean) @ weights + y.mean(axis=0), 0.0)


def inner_table(x, y, groups):
    """Predictions of groups left out of the fold's own training photos."""
    oof, parts = np.empty_like(y), groups % 6
    for part in np.unique(parts):
        oof[parts == part] = ridge(x[parts != part], y[parts != part], x[parts == part])
    names = groups.astype(str)
    return InnerTable(names, names, CSIRO.sums(y), oof)


@cache
def survey(seed):
    """What all folds say of photos of new groups, what was measured, and their groups."""
    chance = np.random.default_rng(seed)
    n_groups = N_GROUPS + N_NEW
    groups = np.repeat(np.arange(n_groups), chance.integers(1, 23, n_groups))
    shift = chance.normal([2.5, 1.0, 1.8], 0.6, (n_groups, 3))
    present = chance.random((n_groups, 3)) > [0.0, 0.3, 0.1]
    masses = np.exp(shift[groups] + 0.4 * chance.normal(size=(len(groups), 3))) * present[groups]
    light = chance.normal(size=(n_groups, WIDTH))[groups]
    x = np.sqrt(masses) @ chance.normal(size=(3, WIDTH)) + light
    x += 0.8 * chance.normal(size=x.shape)
    known = groups < N_GROUPS
    names = tuple(f"p{row}" for row in range((~known).sum()))
    folds, inner = [], []
    for fold in range(N_FOLDS):
        own = known & (groups % N_FOLDS != fold)
        table = inner_table(x[own], masses[own], groups[own])
        points = ridge(x[own], masses[own], x[~known])
        folds.append(predictive_of(names, points, inner=table, targets=CSIRO, spec=SPEC))
        inner.append(table)
    found = combine(folds, novelty=np.zeros(len(names)), variance=shared_variance(inner, CSIRO))
    return found, CSIRO.sums(masses[~known]), groups[~known], folds


def coverage(prediction, y, groups):
    """The share of measured values inside, groups weighed alike, shape (level, target)."""
    inside = (prediction.lower <= y) & (y <= prediction.upper)
    by_group = [inside[:, groups == group].mean(axis=1) for group in np.unique(groups)]
    return np.mean(by_group, axis=0)


def test_ninety_per_cent_intervals_cover_new_groups():
    found = [survey(seed) for seed in range(N_REPLICATIONS)]
    reached = np.mean([coverage(p.predictive, y, g) for p, y, g, _ in found], axis=0)
    headline = SPEC.levels.index(0.9)
    assert (reached[headline] >= 0.86).all()
    assert (reached[headline] <= 0.97).all()


def test_the_other_levels_are_kept_too():
    found = [survey(seed) for seed in range(N_REPLICATIONS)]
    reached = np.mean([coverage(p.predictive, y, g) for p, y, g, _ in found], axis=0)
    for level, by_target in zip(SPEC.levels, reached, strict=True):
        assert (np.abs(by_target - level) <= 0.08).all(), (level, by_target)


def test_all_folds_together_err_less_than_one_and_are_hardly_wider():
    ours, alone, width, width_alone = [], [], [], []
    for seed in range(N_REPLICATIONS):
        found, y, _, folds = survey(seed)
        ours.append(((found.predictive.y - y) ** 2).mean(axis=0))
        alone.append(np.mean([((fold.y - y) ** 2).mean(axis=0) for fold in folds], axis=0))
        width.append(np.nanmean(found.predictive.upper[-1] - found.predictive.lower[-1]))
        width_alone.append(np.nanmean([fold.upper[-1] - fold.lower[-1] for fold in folds]))
    assert (np.mean(ours, axis=0) < np.mean(alone, axis=0)).all()
    assert 1.0 <= np.mean(width) / np.mean(width_alone) < 1.15


def test_a_paddocks_mean_is_within_two_standard_errors_as_often_as_it_should():
    """Of normal errors 95 %; here errors grow with the mass, so a little less."""
    held = []
    for seed in range(N_REPLICATIONS):
        found, y, groups, _ = survey(seed)
        names = list(found.predictive.image_ids)
        series = pd.Series(groups.astype(str), index=names)
        table = paddock_summary(found, series, quadrat_area_m2=0.21)
        total = table[table["target"] == "Dry_Total_g"].set_index("group")
        for group in np.unique(groups):
            mean = y[groups == group, TOTAL].mean()
            row = total.loc[str(group)]
            held.append(abs(row["y_mean"] - mean) <= 2 * row["standard_error"])
    assert 0.86 <= np.mean(held) <= 0.99
