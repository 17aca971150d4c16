"""The Lightning module: one network, its optimiser, and the bags it is fed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.errors import TrainingDivergedError
from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.losses import Truth
from biomass_pipeline.mil.network import BagNetwork
from biomass_pipeline.mil.targets import TargetSpec


@dataclass(frozen=True)
class TrainingBatch:
    """Scaled bags with their labels.

    Attributes:
        bags: Scaled, on the device.
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


class BagModule(pl.LightningModule):
    """Trains one `BagNetwork`. Its arguments are plain, so a checkpoint rebuilds it by itself."""

    def __init__(
        self, *, feature_dim: int, targets: Mapping[str, Any], training: Mapping[str, Any]
    ) -> None:
        """Build the network.

        Args:
            feature_dim: Width of a tile's features.
            targets: What `TargetSpec.to_plain` gave.
            training: A dumped `TrainingConfig`.
        """
        super().__init__()
        self.save_hyperparameters()
        self.training_config = TrainingConfig.model_validate(dict(training))
        self.network = BagNetwork(
            feature_dim=feature_dim,
            targets=TargetSpec.from_plain(dict(targets)),
            training=self.training_config,
        )
        # Set by training: plain facts, and no concern of a network that only predicts.
        self.where = "the network"
        self.image_ids: tuple[str, ...] = ()
        self.provenance: dict[str, Any] = {}

    def training_step(self, batch: TrainingBatch, _batch_index: int) -> Tensor:
        """The loss of a batch.

        Raises:
            TrainingDivergedError: It is not finite.
        """
        loss = self.network.loss(batch.bags, batch.truth)
        if not bool(torch.isfinite(loss)):
            raise self.diverged(batch, epoch=self.current_epoch)
        return loss

    def diverged(self, batch: TrainingBatch, *, epoch: int) -> TrainingDivergedError:
        """The error that names this network and the photos of a batch."""
        names = [self.image_ids[i] for i in batch.index.tolist()]
        return TrainingDivergedError(where=self.where, epoch=epoch, image_ids=names)

    def configure_optimizers(self) -> Any:  # noqa: ANN401  # Lightning's own type is a union of dicts
        """AdamW without decay on biases, its rate falling to a tenth along a cosine."""
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
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            optimizer, T_max=spec.epochs, eta_min=spec.learning_rate / 10
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule}}

    def transfer_batch_to_device(
        self, batch: TrainingBatch, _device: torch.device, _dataloader_idx: int
    ) -> TrainingBatch:
        """Leave the batch where it is: the whole set is on the device already."""
        return batch

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what decided this network, so a reader can refuse a stranger."""
        checkpoint["biomass"] = self.provenance


class InnerStop(pl.Callback):
    """Stops when the inner photos are no longer predicted better, and remembers the best weights.

    The inner photos are training photos whose groups the network does not learn from; the
    held-out fold is not within reach.
    """

    def __init__(self, inner: TrainingBatch, *, patience: int) -> None:
        self._inner, self._patience = inner, patience
        self._best_error, self._best_state = float("inf"), dict[str, Tensor]()
        self.best_epoch = -1

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Judge the epoch that has just ended.

        Raises:
            TrainingDivergedError: The inner photos have no finite error.
        """
        module, epoch = cast("BagModule", pl_module), trainer.current_epoch
        error = inner_error(module.network, self._inner)
        if not isfinite(error):
            raise module.diverged(self._inner, epoch=epoch)
        if error < self._best_error:
            self._best_error, self.best_epoch = error, epoch
            self._best_state = {k: v.clone() for k, v in pl_module.state_dict().items()}
        trainer.should_stop = epoch - self.best_epoch >= self._patience

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002  # Lightning's signature
        """Put the best weights back."""
        pl_module.load_state_dict(self._best_state)


@torch.no_grad()
def inner_error(network: BagNetwork, inner: TrainingBatch) -> float:
    """`sum_t w_t mean (E[y_t] - y_t)^2` in grams: the numerator of the reported R2."""
    network.eval()
    predicted = network.components(inner.bags) @ network.labels.matrix.T
    network.train()
    square = (predicted - inner.truth.y).square().mean(dim=0)
    return float((square * network.labels.weights).sum())
