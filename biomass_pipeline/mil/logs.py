"""The log of a training: a row an epoch, for a table and for TensorBoard."""

import shutil
from collections.abc import Sequence
from math import isfinite
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

from biomass_pipeline.mil.stopping import InnerStop

# Whoever watches a training waits no longer for TensorBoard's points.
_FLUSH_S = 5


def epoch_loggers(folder: Path | None, names: Sequence[str]) -> list[Logger]:
    """Lightning's loggers, into an empty folder.

    Args:
        folder: Where; what it held is removed. None makes no logger.
        names: csv, tensorboard.
    """
    if folder is None or not names:
        return []
    shutil.rmtree(folder, ignore_errors=True)
    made: list[Logger] = []
    if "csv" in names:
        made.append(CSVLogger(folder, name="", version="csv", flush_logs_every_n_steps=1))
    if "tensorboard" in names:
        made.append(TensorBoardLogger(folder, name="", version="tensorboard", flush_secs=_FLUSH_S))
    return made


class EpochLog(pl.Callback):
    """Hands every epoch's row to Lightning's loggers, those before a resumption first."""

    def __init__(self, stop: InnerStop) -> None:
        self._stop = stop

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002  # Lightning's signature
        """Log what a run before this one found."""
        for row in self._stop.history:
            _log_row(trainer, row)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002  # Lightning's signature
        """Log the epoch that has just been judged."""
        _log_row(trainer, self._stop.history[-1])


def _log_row(trainer: pl.Trainer, row: dict[str, float]) -> None:
    known = {name: value for name, value in row.items() if isfinite(value)}
    for logger in trainer.loggers:
        # A column of a table may be empty; a point of a curve may not.
        shown = row if isinstance(logger, CSVLogger) else known
        logger.log_metrics(shown, step=int(row["epoch"]))
