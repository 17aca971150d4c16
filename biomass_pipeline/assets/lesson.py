"""What models learn from: folds' features joined with their labels, and what decides the result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from biomass_pipeline import mil
from biomass_pipeline.config import Config
from biomass_pipeline.store import Cache, FeatureSet


@dataclass(frozen=True)
class CheckpointHandle:
    """Trained models in a folder: a path and what decided them, never an open file."""

    folder: Path
    fingerprint: str


@dataclass(frozen=True)
class Lesson:
    """Photos to learn from.

    Attributes:
        config: With the training section as it is now.
        features: Of the folds given, in the order of content.
        labels: The rows of these photos.
        extraction: Fingerprint of the features.
    """

    config: Config
    features: FeatureSet
    labels: pd.DataFrame
    extraction: str

    @classmethod
    def gather(
        cls, caches: Mapping[int, Cache], labels: pd.DataFrame, *, config: Config
    ) -> "Lesson":
        """Join the folds given with their labels."""
        features = features_of(caches)
        known = labels["image_id"].isin(features.image_ids)
        return cls(
            config=config,
            features=features,
            labels=labels[known].reset_index(drop=True),
            extraction=caches[min(caches)].fingerprint,
        )

    def for_network(self) -> mil.Recipe:
        """What decides a network: its settings, and the covariates it reads."""
        names = self.config.training.covariates
        return self._recipe(self.config.training.decides_network(), covariates=names)

    def for_ridge(self) -> mil.Recipe:
        """What decides a ridge."""
        return self._recipe(self.config.training.decides_ridge())

    def _recipe(
        self, decides: Mapping[str, object], *, covariates: Sequence[str] = ()
    ) -> mil.Recipe:
        data = self.config.data
        # A photo without labels stays in, with NaN: training names it.
        rows = self.labels.set_index("image_id").reindex(list(self.features.image_ids))
        values = rows[list(data.target_names)].to_numpy(dtype=float).tolist()
        beside = mil.covariates_of(
            self.labels, self.features.image_ids, names=covariates, date_column=data.date_column
        ).tolist()
        known = [y + extra for y, extra in zip(values, beside, strict=True)]
        return mil.Recipe(
            data=data,
            training=self.config.training,
            fingerprint=mil.training_fingerprint(
                decides=decides,
                data=data,
                extraction=self.extraction,
                images=zip(self.features.image_sha256, rows["group"], known, strict=True),
            ),
        )


def features_of(caches: Mapping[int, Cache]) -> FeatureSet:
    """The photos of several folds, in the order of content: folds and names leave no trace."""
    joined = FeatureSet.concatenate([caches[fold].load() for fold in sorted(caches)])
    return joined.in_content_order()
