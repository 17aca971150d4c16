"""Surveys of 30 groups, 20 times: intervals cover photos of groups that nothing has learnt from."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from biomass_pipeline.config import DataConfig, EvaluationConfig, TrainingConfig
from biomass_pipeline.mil.calibration import InnerTable
from biomass_pipeline.mil.predictive import PredictionSpec, Predictive, predictive_of
from biomass_pipeline.mil.ridge import fit_members
from biomass_pipeline.mil.targets import LabelledBags, TargetSpec
from biomass_pipeline.scoring import group_weights, pit_histogram, pit_of_draws

pytestmark = pytest.mark.slow

CSIRO = TargetSpec.from_config(DataConfig())
SPEC = PredictionSpec.from_config(EvaluationConfig())
ONE_PER_GROUP = replace(SPEC, conformal="one_per_group")
TOTAL = CSIRO.names.index("Dry_Total_g")

N_GROUPS, N_NEW, N_REPLICATIONS = 30, 100, 20
WIDTH = 40


@dataclass(frozen=True)
class Survey:
    """Inner predictions of photos to learn from, and predicted photos of new groups.

    `inner` leaves whole groups out, as the pipeline does; `by_photo` leaves photos out, of groups
    that were learnt from, and takes each photo for a group of its own. Both are of a plain ridge;
    `shipped` is of the pipeline's own.
    """

    inner: InnerTable
    by_photo: InnerTable
    components: NDArray[np.float64]
    y: NDArray[np.float64]
    groups: NDArray[np.int64]
    labelled: LabelledBags = field(repr=False)
    x: NDArray[np.float64] = field(repr=False)
    new_x: NDArray[np.float64] = field(repr=False)

    def predict(self, spec: PredictionSpec, inner: InnerTable | None = None) -> Predictive:
        names = tuple(f"new{row}" for row in range(len(self.y)))
        return predictive_of(
            names, self.components, inner=inner or self.inner, targets=CSIRO, spec=spec
        )

    def shipped(self) -> "Survey":
        """The same photos by the ridge as configured, which chooses on its inner groups."""
        members, inner = fit_members(
            self.x[:, None], self.labelled, targets=CSIRO, training=TrainingConfig()
        )
        said = np.mean([member(self.new_x[:, None]) for member in members], axis=0)
        return replace(self, inner=inner, components=said)


def draw_survey(seed: int) -> Survey:
    """Log-masses and features shift by group; some groups lack a component."""
    chance = np.random.default_rng(seed)
    n_groups = N_GROUPS + N_NEW
    groups = np.repeat(np.arange(n_groups), chance.integers(1, 23, n_groups))
    shift = chance.normal([2.5, 1.0, 1.8], 0.6, (n_groups, 3))
    present = chance.random((n_groups, 3)) > [0.0, 0.3, 0.1]
    log_mass = shift[groups] + 0.4 * chance.normal(size=(len(groups), 3))
    masses = np.exp(log_mass) * present[groups]
    mix = chance.normal(size=(3, WIDTH))
    light = chance.normal(size=(n_groups, WIDTH))[groups]
    features = np.sqrt(masses) @ mix + light + 0.8 * chance.normal(size=light.shape)
    known, names = groups < N_GROUPS, np.arange(len(groups)).astype(str)
    x, y = features[known], masses[known]
    photos = chance.permutation(len(y))
    return Survey(
        inner=inner_table(x, y, parts=groups[known] % 5, groups=groups[known].astype(str)),
        by_photo=inner_table(x, y, parts=photos % 5, groups=names[known]),
        components=ridge(x, y, features[~known]),
        y=CSIRO.sums(masses[~known]),
        groups=groups[~known],
        labelled=LabelledBags(
            tuple(names[known]), groups[known].astype(str), CSIRO.sums(y), np.empty((len(y), 0))
        ),
        x=x,
        new_x=features[~known],
    )


def inner_table(x, y, *, parts, groups):
    oof = np.empty_like(y)
    for part in range(5):
        oof[parts == part] = ridge(x[parts != part], y[parts != part], x[parts == part])
    return InnerTable(groups, groups, CSIRO.sums(y), oof)


def ridge(x, y, new):
    """Clipped at 0, as the pipeline's."""
    mean, sd = x.mean(axis=0), x.std(axis=0)
    z = (x - mean) / sd
    weights = np.linalg.solve(z.T @ z + 10.0 * np.eye(z.shape[1]), z.T @ (y - y.mean(axis=0)))
    return np.maximum((new - mean) / sd @ weights + y.mean(axis=0), 0.0)


@pytest.fixture(scope="module")
def surveys() -> list[Survey]:
    return [draw_survey(seed) for seed in range(N_REPLICATIONS)]


def inside(survey: Survey, found: Predictive) -> Iterator[NDArray[np.float64]]:
    """The share of labels inside at each level, new groups weighed alike, shape (target,)."""
    weight = group_weights(survey.groups)
    for lower, upper in zip(found.lower, found.upper, strict=True):
        yield weight @ ((lower <= survey.y) & (survey.y <= upper))


def coverage(surveys, spec, *, calibration="inner"):
    """Mean over replications, shape (level, target)."""
    found = [
        np.stack(list(inside(one, one.predict(spec, getattr(one, calibration))))) for one in surveys
    ]
    return np.mean(found, axis=0)


@pytest.fixture(scope="module")
def shipped(surveys) -> list[Survey]:
    """By the pipeline's own ridge: its penalty is chosen on the groups that it calibrates on."""
    return [one.shipped() for one in surveys]


@pytest.mark.parametrize("spec", [SPEC, ONE_PER_GROUP], ids=lambda spec: spec.conformal)
@pytest.mark.parametrize("model", ["surveys", "shipped"])
def test_group_intervals_cover_new_groups_as_promised(model, spec, request):
    half, eight_tenths, nine_tenths = coverage(request.getfixturevalue(model), spec)
    for covered, low, high in (
        (nine_tenths, 0.87, 0.94),
        (eight_tenths, 0.77, 0.85),
        (half, 0.47, 0.56),
    ):
        assert covered.shape == (5,)  # sums, from joint residuals of their parts, like the others
        assert low <= covered.min()
        assert covered.max() <= high


def test_calibration_by_photo_covers_less_than_it_promises(surveys):
    by_photo, by_group = coverage(surveys, SPEC, calibration="by_photo"), coverage(surveys, SPEC)
    assert by_photo[2].max() < 0.84
    assert (by_photo < by_group - 0.05).all()


def test_adding_the_parts_bounds_would_cover_too_much(surveys):
    found = []
    for survey in surveys:
        lower, upper = (
            CSIRO.sums(bound[2][:, list(CSIRO.component_columns)])
            for bound in (survey.predict(SPEC).lower, survey.predict(SPEC).upper)
        )
        weight = group_weights(survey.groups)
        held = (lower <= survey.y) & (survey.y <= upper)
        found.append((weight @ held)[TOTAL])
    assert np.mean(found) > 0.95


def test_totals_of_new_groups_fall_about_evenly_among_their_draws(surveys):
    chance = np.random.default_rng(0)
    pit = [pit_of_draws(one.predict(SPEC).draws, one.y, chance=chance) for one in surveys]
    total = pit_histogram(np.concatenate(pit)[:, TOTAL])
    assert total.max() < 0.16
    assert total.min() > 0.06
