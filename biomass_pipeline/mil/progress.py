"""How far the training of a fold's networks is."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingProgress:
    """After an epoch of one network of an ensemble.

    Attributes:
        network: Which network, from 1.
        n_networks: In the ensemble.
        epoch: Which epoch has just ended, from 1.
        most_epochs: How many there are unless the network stops early.
        inner_error: Weighted squared error of the inner photos, in the square of the targets' unit.
    """

    network: int
    n_networks: int
    epoch: int
    most_epochs: int
    inner_error: float

    @property
    def most_epochs_left(self) -> int:
        """Epochs still to come, of this network and the ones after it, unless they stop early."""
        after = (self.n_networks - self.network) * self.most_epochs
        return self.most_epochs - self.epoch + after


OnProgress = Callable[[TrainingProgress], None]
