"""The Lightning module: one network, its optimiser, and the bags it is fed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil, cos, isfinite, pi
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.errors import DivergenceCause, TrainingDivergedError
from biomass_pipeline.mil.augmentation import FeatureAugmentations, draw_mixture
from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.losses import Truth
from biomass_pipeline.mil.network import BagNetwork

# The rate rises from, and falls back to, this share of the configured one.
_LOWEST_RATE = 0.1


@dataclass(frozen=True)
class TrainingBatch:
    """Bags with their labels.

    Attributes:
        bags: On the device; scaled, or raw where features are augmented before.
        truth: The same bags' labels.
        index: Shape (bag,), positions in the whole set, for naming culprits.
    """

    bags: BagBatch
    truth: Truth
    index: Tensor

    def select(self, rows: Tensor) -> "TrainingBatch":
        """The given bags, rows of shape (bag,)."""
        return TrainingBatch(self.bags.select(rows), self.truth.select(rows), self.index[rows])


class ShuffledBags:
    """An epoch of batches cut from one tensor on the device, in an order drawn anew each time.

    Workers and collation would copy what lies ready: one index into the tensor is a batch.
    """

    def __init__(self, whole: TrainingBatch, *, batch_size: int, chance: torch.Generator) -> None:
        self._whole, self._batch_size, self._chance = whole, batch_size, chance

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return ceil(len(self._whole.bags) / self._batch_size)

    def __iter__(self) -> Iterator[TrainingBatch]:
        """Yield every bag once."""
        order = torch.randperm(len(self._whole.bags), generator=self._chance)
        for rows in order.to(self._whole.index.device).tensor_split(len(self)):
            yield self._whole.select(rows)


def rate_factor(epoch: int, *, epochs: int, warmup_epochs: int) -> float:
    """Share of the learning rate in an epoch: a line up from a tenth, then a cosine down to it."""
    if epoch < warmup_epochs:
        return _LOWEST_RATE + (1 - _LOWEST_RATE) * epoch / warmup_epochs
    way = (epoch - warmup_epochs) / max(epochs - warmup_epochs, 1)
    return _LOWEST_RATE + (1 - _LOWEST_RATE) * (1 + cos(pi * min(way, 1.0))) / 2


class BagModule(pl.LightningModule):
    """Trains one `BagNetwork`. Its arguments are plain, so a checkpoint rebuilds it by itself.

    Attributes:
        network: What is trained.
        where: Names the network in errors; set by training, like the next two.
        image_ids: Of every bag, by `TrainingBatch.index`.
        whole: Every bag, raw, and its labels: where culprits are looked for.
        order: What the order of bags is drawn from.
        chance: What augmentations draw from; by itself, so that they leave the order alone.
        epoch_losses: The loss of each batch of this epoch, with its number of bags.
    """

    def __init__(
        self, *, feature_dim: int, targets: Mapping[str, Any], training: Mapping[str, Any]
    ) -> None:
        """Build the network.

        Args:
            feature_dim: Width of a tile's features.
            targets: What `TargetSpec.to_plain` gave of the targets as configured.
            training: A dumped `TrainingConfig`.
        """
        super().__init__()
        self.save_hyperparameters()
        self.training_config = TrainingConfig.model_validate(dict(training))
        self.network = BagNetwork.from_plain(
            feature_dim=feature_dim, targets=targets, training=training
        )
        self.augmentations = FeatureAugmentations(self.training_config.augmentation)
        # Plain facts, and no concern of a network that only predicts.
        self.where = "the network"
        self.image_ids: tuple[str, ...] = ()
        self.whole: TrainingBatch | None = None
        self.order, self.chance = torch.Generator(), torch.Generator()
        self.epoch_losses = list[tuple[float, int]]()

    def on_train_epoch_start(self) -> None:
        """Forget the last epoch's losses."""
        self.epoch_losses = []

    def training_step(self, batch: TrainingBatch, _batch_index: int) -> Tensor:
        """The loss of a batch, the mean over photos.

        Raises:
            TrainingDivergedError: It is not finite.
        """
        loss = self._losses(batch).mean()
        value = float(loss.detach())
        if not isfinite(value):
            raise self.diverged(batch, epoch=self.current_epoch)
        self.epoch_losses.append((value, len(batch.bags)))
        return loss

    def _losses(self, batch: TrainingBatch) -> Tensor:
        """Shape (bag,), of augmented and mixed bags where that is configured."""
        network, training, bags = self.network, self.training_config, batch.bags
        if training.augmentation:
            bags = network.scaled(self.augmentations(bags, chance=self.chance))
        if not training.mixup:
            return network.losses(bags, batch.truth)
        mixture = draw_mixture(
            len(bags),
            concentration=training.mixup,
            chance=self.chance,
            device=bags.mask.device,
        )
        pooled = network.pool(mixture.bags(bags))
        own, partners = (
            network.objective.losses(pooled.outputs, pooled.embedding, truth, network.labels)
            for truth in (batch.truth, batch.truth.select(mixture.partner))
        )
        return mixture.losses(own, partners)

    def diverged(self, batch: TrainingBatch, *, epoch: int) -> TrainingDivergedError:
        """The error that names this network, the photos of a batch and the likely cause.

        Culprits are looked for among all bags: a single one spoils the statistics of all.
        """
        suspects = self.whole or batch
        cause = DivergenceCause(
            features_of=self._names(suspects, _strange_features(suspects.bags)),
            labels_of=self._names(suspects, _strange_labels(suspects.truth)),
            learning_rate=self.training_config.learning_rate,
        )
        names = [self.image_ids[i] for i in batch.index.tolist()]
        return TrainingDivergedError(where=self.where, epoch=epoch, image_ids=names, cause=cause)

    def _names(self, batch: TrainingBatch, chosen: Tensor) -> list[str]:
        return [self.image_ids[i] for i in batch.index[chosen].tolist()]

    def configure_optimizers(self) -> Any:  # noqa: ANN401  # Lightning's own type is a union of dicts
        """AdamW without decay on biases, its rate rising at first if so wished, then falling."""
        spec = self.training_config
        parameters = [p for p in self.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(
            [
                {
                    "params": [p for p in parameters if p.ndim > 1],
                    "weight_decay": spec.weight_decay,
                },
                {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=spec.learning_rate,
        )

        def factor(epoch: int) -> float:
            return rate_factor(epoch, epochs=spec.epochs, warmup_epochs=spec.warmup_epochs)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule}}

    def transfer_batch_to_device(
        self, batch: TrainingBatch, _device: torch.device, _dataloader_idx: int
    ) -> TrainingBatch:
        """Leave the batch where it is: the whole set is on the device already."""
        return batch


def _strange_features(bags: BagBatch) -> Tensor:
    """Which bags have a valid tile that is not finite, shape (bag,)."""
    strange = ~bags.features.isfinite().all(dim=2)
    return (strange & bags.mask).any(dim=1)


def _strange_labels(truth: Truth) -> Tensor:
    """Which bags have a label that is not finite in 32 bits, shape (bag,)."""
    return ~truth.y.isfinite().all(dim=1)
