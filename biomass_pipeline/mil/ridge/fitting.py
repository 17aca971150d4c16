"""Fitting: every choice is made on inner groups, by models that did not learn from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.config import RidgeConfig, TrainingConfig
from biomass_pipeline.mil.calibration import InnerTable
from biomass_pipeline.mil.novelty import fit_novelty
from biomass_pipeline.mil.ridge.families import FAMILIES, Setting
from biomass_pipeline.mil.ridge.labels import TRANSFORMS
from biomass_pipeline.mil.ridge.model import Member, RidgeModel, rows_of
from biomass_pipeline.mil.ridge.pooling import pool_bags
from biomass_pipeline.mil.ridge.scaling import BlockScale
from biomass_pipeline.mil.splits import inner_parts
from biomass_pipeline.mil.targets import LabelledBags, Recipe, TargetSpec, align_labels
from biomass_pipeline.store.bags import FeatureSet

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class _Lesson:
    """What is learnt from.

    Attributes:
        pooled: Shape (bag, pooling, feature).
        y: Shape (bag, target).
        targets: Which of them are components, and the metric's weights.
        spec: How it is learnt.
    """

    pooled: Floats = field(repr=False)
    y: Floats = field(repr=False)
    targets: TargetSpec
    spec: RidgeConfig

    @property
    def components(self) -> Floats:
        """Shape (bag, component)."""
        return self.y[:, list(self.targets.component_columns)]

    @property
    def outputs(self) -> Floats:
        """Components on every scale, transform by transform, shape (bag, output)."""
        scales = [TRANSFORMS[name].forward(self.components) for name in self.spec.transforms]
        return np.concatenate(scales, axis=1)

    def columns(self, member: int) -> slice:
        """The outputs of one transform."""
        width = self.components.shape[1]
        return slice(member * width, (member + 1) * width)

    def scale(self, rows: Places, relevance: float) -> BlockScale:
        """The statistics of some photos and of no other."""
        return BlockScale.fit(
            self.pooled[rows],
            self.components[rows],
            scaling=self.spec.scaling,
            clip=self.spec.clip,
            relevance=relevance,
        )


def fit_ridge(train: FeatureSet, labels: pd.DataFrame, *, recipe: Recipe) -> RidgeModel:
    """Fit a model of the components on each transform of the labels; their mean predicts.

    Penalty, kernel width and relevance are chosen for each transform by the metric's weighted
    squared error on inner groups, in the labels' units: one choice for all components, so that a
    sum is predicted as its parts are.

    Args:
        train: Every photo to learn from; none of the held-out fold.
        labels: Columns `image_id`, `group` and the targets; rows of other photos are ignored.
        recipe: What decides the result.

    Raises:
        UnlabelledBagError: A photo has no label.
        EmptyBagError: A photo has no tile.
        StrangeFeaturesError: A feature is not finite.
        TooFewGroupsError: There is one training group only.
    """
    targets = TargetSpec.from_config(recipe.data)
    labelled = align_labels(labels, train.image_ids, names=targets.names)
    pooled = pool_bags(train, recipe.training.ridge.poolings)
    members, inner = fit_members(pooled, labelled, targets=targets, training=recipe.training)
    return RidgeModel(
        poolings=recipe.training.ridge.poolings,
        members=members,
        targets=targets,
        fingerprint=recipe.fingerprint,
        novelty=fit_novelty(rows_of(pooled), labelled.groups),
        inner=inner,
    )


def fit_members(
    pooled: Floats, labelled: LabelledBags, *, targets: TargetSpec, training: TrainingConfig
) -> tuple[tuple[Member, ...], InnerTable]:
    """Fit one model a transform, and predict every photo by models without its inner part.

    Args:
        pooled: Shape (bag, pooling, feature).
        labelled: The same photos' labels and groups.
        targets: What is predicted.
        training: How; its `ridge` section and how inner groups are dealt.

    Raises:
        TooFewGroupsError: There is one group only.
    """
    lesson = _Lesson(pooled, labelled.y, targets, training.ridge)
    n_parts = max(2, round(1 / training.inner_fraction))
    parts = inner_parts(labelled.groups, n_parts=n_parts, seed=training.seed)
    tried = _tried(lesson, parts)
    found = [_chosen(lesson, tried, member) for member in range(len(lesson.spec.transforms))]
    inner = InnerTable(
        image_ids=np.array(labelled.image_ids, dtype=np.str_),
        groups=labelled.groups,
        y=labelled.y,
        components=np.mean([components for _, components in found], axis=0),
    )
    return tuple(_member(lesson, n, place) for n, (place, _) in enumerate(found)), inner


def _settings(spec: RidgeConfig) -> list[tuple[float, Setting]]:
    """All that is chosen from: relevance by the family's settings."""
    settings = FAMILIES[spec.kernel].settings(spec.alphas)
    return [(relevance, setting) for relevance in spec.relevances for setting in settings]


def _tried(lesson: _Lesson, parts: Sequence[Places]) -> Floats:
    """Predictions of every photo by models without its part, shape (setting, bag, output).

    The scale's statistics are those of the learning part, too.
    """
    spec, outputs = lesson.spec, lesson.outputs
    predicted = np.empty((len(_settings(spec)), *outputs.shape))
    for part in parts:
        learn = np.setdiff1d(np.arange(len(outputs)), part)
        found = []
        for relevance in spec.relevances:
            scale = lesson.scale(learn, relevance)
            z_learn, z_part = scale(lesson.pooled[learn]), scale(lesson.pooled[part])
            family = FAMILIES[spec.kernel]
            found.append(family.tried(z_learn, outputs[learn], z_part, alphas=spec.alphas))
        predicted[:, part] = np.concatenate(found)
    return predicted


def _chosen(lesson: _Lesson, tried: Floats, member: int) -> tuple[int, Floats]:
    """The best setting of one transform, and its inner predictions (bag, component) >= 0."""
    back = TRANSFORMS[lesson.spec.transforms[member]].back
    components = back(tried[:, :, lesson.columns(member)])
    error = (lesson.targets.sums(components) - lesson.y) ** 2
    loss = (error * np.array(lesson.targets.weights)).sum(axis=(1, 2))
    best = int(np.argmin(loss))
    return best, components[best]


def _member(lesson: _Lesson, number: int, place: int) -> Member:
    relevance, setting = _settings(lesson.spec)[place]
    scale = lesson.scale(np.arange(len(lesson.y)), relevance)
    outputs = lesson.outputs[:, lesson.columns(number)]
    machine = FAMILIES[lesson.spec.kernel].fit(scale(lesson.pooled), outputs, setting)
    return Member(lesson.spec.transforms[number], relevance, setting.alpha, scale, machine)
