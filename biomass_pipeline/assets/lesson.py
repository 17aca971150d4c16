"""What models learn from: folds' features joined with their labels, and what decides the result."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from biomass_pipeline import mil
from biomass_pipeline.config import Config, DataConfig
from biomass_pipeline.store import Cache, FeatureSet

# The kinds of model, as their states name them.
NETWORK, RIDGE = "network", "ridge"


@dataclass(frozen=True)
class CheckpointHandle:
    """Trained models in a folder: a path and what decided them, never an open file.

    Attributes:
        folder: Where they are.
        fingerprint: The hash of all that decided them.
        state: The same in parts: a hash of the settings, and one of what each fold taught.
    """

    folder: Path
    fingerprint: str
    state: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Lesson:
    """Photos to learn from.

    Attributes:
        config: With the training section as it is now.
        features: Of the folds given, in the order of content.
        labels: The rows of these photos.
        extraction: Fingerprint of the features.
        folds: Each fold's photos: SHA-256 by id.
    """

    config: Config
    features: FeatureSet
    labels: pd.DataFrame
    extraction: str
    folds: Mapping[int, Mapping[str, str]]

    @classmethod
    def gather(
        cls, caches: Mapping[int, Cache], labels: pd.DataFrame, *, config: Config
    ) -> "Lesson":
        """Join the folds given with their labels."""
        loaded = {fold: caches[fold].load() for fold in sorted(caches)}
        features = _joined(loaded.values())
        known = labels["image_id"].isin(features.image_ids)
        return cls(
            config=config,
            features=features,
            labels=labels[known].reset_index(drop=True),
            extraction=caches[min(caches)].fingerprint,
            folds={fold: photos_of(part) for fold, part in loaded.items()},
        )

    def for_network(self) -> mil.Recipe:
        """What decides a network: its settings, and the covariates it reads."""
        names = self.config.training.covariates
        return self._recipe(self.config.training.decides_network(), covariates=names)

    def for_ridge(self) -> mil.Recipe:
        """What decides a ridge."""
        return self._recipe(self.config.training.decides_ridge())

    def network_state(self) -> dict[str, str]:
        """What a network is trained by, in parts."""
        settings, names = self.config.training.decides_network(), self.config.training.covariates
        return self._state(NETWORK, settings, covariates=names)

    def ridge_state(self) -> dict[str, str]:
        """What a ridge is trained by, in parts."""
        return self._state(RIDGE, self.config.training.decides_ridge())

    def _recipe(
        self, decides: Mapping[str, object], *, covariates: Sequence[str] = ()
    ) -> mil.Recipe:
        data = self.config.data
        return mil.Recipe(
            data=data,
            training=self.config.training,
            fingerprint=mil.training_fingerprint(
                decides=decides,
                data=data,
                extraction=self.extraction,
                images=_images(
                    photos_of(self.features), self.labels, data=data, covariates=covariates
                ),
            ),
        )

    def _state(
        self, kind: str, decides: Mapping[str, object], *, covariates: Sequence[str] = ()
    ) -> dict[str, str]:
        data = self.config.data
        settings = mil.training_fingerprint(
            decides=decides, data=data, extraction=self.extraction, images=()
        )
        contents = (
            content_state({kind: covariates}, fold, photos=photos, labels=self.labels, data=data)
            for fold, photos in self.folds.items()
        )
        return {kind: settings} | {part: known for each in contents for part, known in each.items()}


def content_state(
    covariates: Mapping[str, Sequence[str]],
    fold: int,
    *,
    photos: Mapping[str, str],
    labels: pd.DataFrame,
    data: DataConfig,
) -> dict[str, str]:
    """What one fold teaches, or is compared with: a hash for each kind of model.

    Args:
        covariates: What each kind of model reads beside the photos.
        fold: The fold.
        photos: Its photos: SHA-256 by id.
        labels: Among others, the rows of these photos.
        data: What the labels mean.
    """
    return {
        f"{kind}, fold {fold}": mil.fold_content(
            _images(photos, labels, data=data, covariates=names)
        )
        for kind, names in covariates.items()
    }


def features_of(caches: Mapping[int, Cache]) -> FeatureSet:
    """The photos of several folds, in the order of content: folds and names leave no trace."""
    return _joined(caches[fold].load() for fold in sorted(caches))


def photos_of(features: FeatureSet) -> dict[str, str]:
    """The SHA-256 of each photo by its id, in the order of the features."""
    return dict(zip(features.image_ids, features.image_sha256, strict=True))


def _joined(parts: Iterable[FeatureSet]) -> FeatureSet:
    return FeatureSet.concatenate(list(parts)).in_content_order()


def _images(
    photos: Mapping[str, str],
    labels: pd.DataFrame,
    *,
    data: DataConfig,
    covariates: Sequence[str],
) -> Iterator[tuple[str, str, list[float]]]:
    """What a model learns from each photo: its content, group, labels, covariates."""
    # A photo without labels stays in, with NaN: training names it.
    rows = labels.set_index("image_id").reindex(list(photos))
    values = rows[list(data.target_names)].to_numpy(dtype=float).tolist()
    beside = mil.covariates_of(
        labels, list(photos), names=covariates, date_column=data.date_column
    ).tolist()
    known = [y + extra for y, extra in zip(values, beside, strict=True)]
    return zip(photos.values(), rows["group"], known, strict=True)
