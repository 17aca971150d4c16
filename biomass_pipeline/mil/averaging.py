"""Averages of a network's weights over training: what is judged and kept instead of the last."""

from math import ceil
from typing import Any, cast

from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.mil.network import BagNetwork

# SWA starts when the schedule has brought the rate low: over the last quarter of the epochs.
_SWA_QUARTERS = 0.75


class WeightAverage:
    """The weights that count: the network's own, or their average.

    `ema` remembers every step, `swa` every epoch of the last quarter (Izmailov et al. 2018,
    arXiv 1803.05407). Buffers, which hold fitted statistics, are the network's in any case.
    """

    def __init__(self, network: BagNetwork, training: TrainingConfig) -> None:
        self._network, self._kind = network, training.averaging
        self._swa_from = min(ceil(_SWA_QUARTERS * training.epochs), training.epochs - 1)
        self._averaged = None if self._kind == "none" else _averaged(network, training)

    def after_step(self) -> None:
        """Take the weights after a step of the optimiser."""
        if self._averaged is not None and self._kind == "ema":
            self._averaged.update_parameters(self._network)

    def after_epoch(self, epoch: int) -> None:
        """Take the weights after an epoch, counted from 0."""
        if self._averaged is not None and self._kind == "swa" and epoch >= self._swa_from:
            self._averaged.update_parameters(self._network)

    @property
    def has_begun(self) -> bool:
        """Whether there is an average; networks before that are no candidates to keep."""
        return self._averaged is None or bool(self._averaged.n_averaged > 0)

    @property
    def network(self) -> BagNetwork:
        """The network that counts: the average, once it has begun, else the network itself."""
        if self._averaged is None or not self.has_begun:
            return self._network
        return cast("BagNetwork", self._averaged.module)

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on; tensors only."""
        return {} if self._averaged is None else dict(self._averaged.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another stood."""
        if self._averaged is not None:
            self._averaged.load_state_dict(state)


def _averaged(network: BagNetwork, training: TrainingConfig) -> AveragedModel:
    if training.averaging == "swa":
        return AveragedModel(network)
    remember = get_ema_multi_avg_fn(training.ema_decay)  # type: ignore[no-untyped-call]  # torch's
    return AveragedModel(network, multi_avg_fn=remember)
