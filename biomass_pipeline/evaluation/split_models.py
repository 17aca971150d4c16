"""Every model trained on one split and asked about the photos that the split holds out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, Self

import numpy as np
import pandas as pd

from biomass_pipeline import mil
from biomass_pipeline.config import Config, fingerprint
from biomass_pipeline.evaluation.floor import constant_predictions
from biomass_pipeline.evaluation.splits import Split, plain_name
from biomass_pipeline.store.bags import FeatureSet

_HELD_OUT = 1


class Predictor(Protocol):
    """Whatever learns from one side of a split and predicts the other."""

    def frames(self, split: Split) -> Mapping[str, pd.DataFrame]:
        """By model: `image_id, target, y_pred, y_lower, y_upper`, all held-out photos."""
        ...


@dataclass(frozen=True)
class SplitModels:
    """What is trained: constant, ridge and network, all on the same features.

    Attributes:
        features: Of all photos, in the order of content: names leave no trace.
        labels: One row a photo.
        config: With the number of networks and the seed of training in place.
        device: As PyTorch names it.
        folder: Where checkpoints are while a split lasts; the system's own if None.
    """

    features: FeatureSet
    labels: pd.DataFrame
    config: Config
    device: str
    folder: Path | None = None

    @classmethod
    def of(
        cls,
        features: FeatureSet,
        labels: pd.DataFrame,
        *,
        config: Config,
        device: str,
        folder: Path | None = None,
    ) -> Self:
        """Put the number of networks of a protocol in place."""
        n_networks = config.evaluation.protocols.n_networks
        training = config.training.model_copy(update={"n_seeds": n_networks})
        own = config.model_copy(update={"training": training})
        return cls(features.in_content_order(), labels, own, device, folder)

    def seeded(self, seed: int) -> Self:
        """The same, with this added to the seed of training."""
        training = self.config.training.model_copy(
            update={"seed": self.config.training.seed + seed}
        )
        return replace(self, config=self.config.model_copy(update={"training": training}))

    def frames(self, split: Split) -> dict[str, pd.DataFrame]:
        """What each model predicts of the photos held out, by model, as `Predictive.frame`.

        Raises:
            TooFewGroupsError: There is one training group only.
            TrainingDivergedError: A loss is not finite.
        """
        held_out = photos(self.features, split.test_ids)
        spec = mil.PredictionSpec.from_config(self.config.evaluation)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.folder) as place:
            models = self.learn(split, Path(place) / plain_name(split.name))
            predictions = models.predict(
                held_out,
                spec=spec,
                device=self.device,
                beside=mil.Beside(self._rows(split.test_ids), self.config.data.date_column),
            )
        predictions["constant"] = self._constant(split, spec)
        return {model: predictions[model].frame() for model in sorted(predictions)}

    def learn(self, split: Split, folder: Path) -> "mil.FoldModels":
        """Train network and ridge on the split's training photos; nothing else is handed on.

        Args:
            split: Which photos.
            folder: Where checkpoints are written.
        """
        train, labels = photos(self.features, split.train_ids), self._rows(split.train_ids)
        training = self.config.training
        mark = fingerprint(training, sorted(train.image_sha256), split.name)
        recipe = mil.Recipe(data=self.config.data, training=training, fingerprint=mark)
        network = mil.train_fold(
            train,
            labels,
            recipe=recipe,
            checkpoint_folder=folder,
            device=self.device,
            threads=self.config.compute.training_threads,
        )
        return mil.FoldModels(network, mil.fit_ridge(train, labels, recipe=recipe))

    def _constant(self, split: Split, spec: "mil.PredictionSpec") -> "mil.Predictive":
        rows = self._rows((*split.train_ids, *split.test_ids))
        inside = rows["image_id"].isin(split.test_ids)
        return constant_predictions(
            rows,
            pd.DataFrame({"image_id": rows["image_id"], "fold": inside.astype(int)}),
            fold=_HELD_OUT,
            targets=mil.TargetSpec.from_config(self.config.data),
            spec=spec,
        )

    def _rows(self, image_ids: Sequence[str]) -> pd.DataFrame:
        return self.labels[self.labels["image_id"].isin(image_ids)].reset_index(drop=True)


def photos(features: FeatureSet, image_ids: Sequence[str]) -> FeatureSet:
    """The features of some photos, in the order that they have.

    Args:
        features: Of many photos.
        image_ids: Which of them; ids without features are passed over.
    """
    wanted, lengths = set(image_ids), np.diff(features.offsets)
    chosen = [n for n, name in enumerate(features.image_ids) if name in wanted]
    rows = np.repeat([name in wanted for name in features.image_ids], lengths)
    return replace(
        features,
        features=features.features[rows],
        coords=features.coords[rows],
        area_weight=features.area_weight[rows],
        image_ids=tuple(features.image_ids[n] for n in chosen),
        image_sha256=tuple(features.image_sha256[n] for n in chosen),
        offsets=np.concatenate([[0], np.cumsum(lengths[chosen])]).astype(np.int64),
    )
