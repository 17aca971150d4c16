"""A training that was killed goes on from its last state, as if nothing had happened."""

import io
import logging
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch

from biomass_pipeline.mil.checkpoints import READ_ERRORS
from biomass_pipeline.mil.module import BagModule
from biomass_pipeline.mil.stopping import InnerStop
from biomass_pipeline.whole import write_whole

_log = logging.getLogger(__name__)


class Resumption(pl.Callback):
    """Keeps all that decides the rest of a training, every few epochs, and starts from it.

    The state is taken where an epoch begins, when everything about the one before is settled.
    Lightning's own resumption is not used: its checkpoint holds none of the chance, and what its
    loops make of a state differs between its releases. Here they are told the epoch, no more.
    """

    def __init__(self, path: Path, *, fingerprint: str, every_epochs: int, stop: InnerStop) -> None:
        """Keep the state in a file.

        Args:
            path: Where; the file is written whole.
            fingerprint: What decides the training; a state of another one is not used.
            every_epochs: How often.
            stop: Its memory is part of the state.
        """
        self._path, self._fingerprint = path, fingerprint
        self._every_epochs, self._stop = every_epochs, stop
        self._begun_at = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go on from the file, if there is one of this very training."""
        state = read_state(self._path, fingerprint=self._fingerprint)
        if state is None:
            return
        module = cast("BagModule", pl_module)
        module.load_state_dict(state["module"])
        trainer.optimizers[0].load_state_dict(state["optimizer"])
        trainer.lr_scheduler_configs[0].scheduler.load_state_dict(state["schedule"])
        self._stop.load_state_dict(state["stop"])
        module.order.set_state(state["order"])
        module.chance.set_state(state["chance"])
        _restore_chance(state, module.device)
        self._begun_at = state["epoch"]
        progress: Any = trainer.fit_loop.epoch_progress.current
        progress.processed = progress.completed = self._begun_at
        _log.info("%s goes on from epoch %d", module.where, self._begun_at)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the state, every few epochs."""
        epoch = trainer.current_epoch
        if epoch <= self._begun_at or epoch % self._every_epochs:
            return
        module = cast("BagModule", pl_module)
        state = {
            "fingerprint": self._fingerprint,
            "epoch": epoch,
            "module": module.state_dict(),
            "optimizer": trainer.optimizers[0].state_dict(),
            "schedule": trainer.lr_scheduler_configs[0].scheduler.state_dict(),
            "stop": self._stop.state_dict(),
            "order": module.order.get_state(),
            "chance": module.chance.get_state(),
            **_chance_of_torch(module.device),
        }
        # Of a full disk PyTorch's own writer says that its archive failed, and not why.
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_whole(self._path, lambda partial: partial.write_bytes(buffer.getbuffer()))


def read_state(path: Path, *, fingerprint: str) -> dict[str, Any] | None:
    """A kept state; None, with a sentence in the log, where there is none of this training."""
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        found = str(state["fingerprint"])
    except READ_ERRORS as error:
        _log.warning(
            "%s cannot be read (%s), so this training begins anew", path, type(error).__name__
        )
        return None
    if found != fingerprint:
        _log.warning(
            "%s is of another training (%s, not %s), so this one begins anew",
            path,
            found,
            fingerprint,
        )
        return None
    return state


def _chance_of_torch(device: torch.device) -> dict[str, Any]:
    state = {"torch_chance": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda_chance"] = torch.cuda.get_rng_state(device)
    return state


def _restore_chance(state: dict[str, Any], device: torch.device) -> None:
    torch.set_rng_state(state["torch_chance"])
    if device.type == "cuda" and "cuda_chance" in state:
        torch.cuda.set_rng_state(state["cuda_chance"], device)
