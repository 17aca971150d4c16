"""Judging every epoch on inner photos: when to stop, and which weights to keep."""

from collections.abc import Callable
from math import isfinite, nan
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor

from biomass_pipeline.mil.averaging import WeightAverage
from biomass_pipeline.mil.module import BagModule, TrainingBatch
from biomass_pipeline.mil.network import BagNetwork

OnEpoch = Callable[[int, float], None]

# Labels that are all one vary by this share of their square at most.
_ROUNDING = 1e-12


class InnerStop(pl.Callback):
    """Stops when the inner photos are no longer predicted better, and remembers the best weights.

    The inner photos are training photos whose groups the network does not learn from; the
    held-out fold is not within reach. Where training runs for a fixed number of epochs they are
    judged all the same, and decide nothing.

    Attributes:
        best_epoch: Whose weights are kept, from 0; -1 before there are any.
        best_error: Their `inner_error`.
        history: A row an epoch: epoch, train_loss, inner_error, inner_r2, learning_rate.
    """

    def __init__(
        self, inner: TrainingBatch, *, average: WeightAverage, on_epoch: OnEpoch | None = None
    ) -> None:
        """Judge by these photos.

        Args:
            inner: Scaled.
            average: The weights that are judged and kept.
            on_epoch: Told the epoch and its inner error; may raise to end the training.
        """
        self._inner, self._average, self._on_epoch = inner, average, on_epoch
        self._best_state = dict[str, Tensor]()
        self.best_epoch, self.best_error = -1, float("inf")
        self.history = list[dict[str, float]]()
        self._learning_rate = nan

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002  # Lightning's signature
        """Note the rate: at the end of the epoch the schedule has gone on."""
        self._learning_rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,  # noqa: ARG002  # Lightning's signature
        pl_module: pl.LightningModule,  # noqa: ARG002  # Lightning's signature
        *_: object,
    ) -> None:
        """Let the average take the step that has just been made."""
        self._average.after_step()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Judge the epoch that has just ended.

        Raises:
            TrainingDivergedError: The inner photos have no finite error.
        """
        module, epoch = cast("BagModule", pl_module), trainer.current_epoch
        self._average.after_epoch(epoch)
        error = inner_error(self._average.network, self._inner)
        if not isfinite(error):
            raise module.diverged(self._inner, epoch=epoch)
        self.history.append(self._row(module, epoch=epoch, error=error))
        spec = module.training_config
        fixed, begun = spec.stopping == "fixed", self._average.has_begun
        if epoch == spec.epochs - 1 if fixed else begun and error < self.best_error:
            self._remember(epoch, error)
        if self._on_epoch is not None:
            self._on_epoch(epoch, error)
        patient = fixed or not begun or epoch - self.best_epoch < spec.patience
        trainer.should_stop = not patient

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002  # Lightning's signature
        """Put the best weights back."""
        cast("BagModule", pl_module).network.load_state_dict(self._best_state)

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on: numbers, text and tensors."""
        return {
            "best_epoch": self.best_epoch,
            "best_error": self.best_error,
            "best_state": self._best_state,
            "history": self.history,
            "average": self._average.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where another stood."""
        self.best_epoch, self.best_error = state_dict["best_epoch"], state_dict["best_error"]
        self._best_state = dict(state_dict["best_state"])
        self.history = list(state_dict["history"])
        self._average.load_state_dict(state_dict["average"])

    def _remember(self, epoch: int, error: float) -> None:
        self.best_epoch, self.best_error = epoch, error
        state = self._average.network.state_dict()
        self._best_state = {name: value.clone() for name, value in state.items()}

    def _row(self, module: BagModule, *, epoch: int, error: float) -> dict[str, float]:
        n_bags = sum(count for _, count in module.epoch_losses)
        summed = sum(loss * count for loss, count in module.epoch_losses)
        spread = weighted_variance(self._inner.truth.y, module.network.labels.weights)
        return {
            "epoch": epoch,
            "train_loss": summed / n_bags if n_bags else nan,
            "inner_error": error,
            "inner_r2": 1 - error / spread if spread > 0 else nan,
            "learning_rate": self._learning_rate,
        }


@torch.no_grad()
def inner_error(network: BagNetwork, inner: TrainingBatch) -> float:
    """`sum_t w_t mean (E[y_t] - y_t)^2` in grams: the numerator of the reported R2."""
    network.eval()
    predicted = network.outputs(inner.bags) @ network.labels.matrix.T
    network.train()
    square = (predicted - inner.truth.y).square().mean(dim=0)
    return float((square * network.labels.weights).sum())


def weighted_variance(y: Tensor, weights: Tensor) -> float:
    """`sum_t w_t mean (y_t - ybar)^2` about one mean of all targets: the denominator of that R2.

    Args:
        y: Shape (bag, target), in grams.
        weights: Shape (target,).

    Returns:
        Exactly 0 where the labels are all one, but for rounding.
    """
    y, share = y.double(), weights.double() / weights.double().sum()
    centre = (y * share).sum(dim=1).mean()
    spread = float(((y - centre).square().mean(dim=0) * share).sum())
    return spread if spread > _ROUNDING * float(y.square().mean()) else 0.0
