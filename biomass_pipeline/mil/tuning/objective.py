"""What a trial is: settings, their score on inner groups, and reports that may cut it short."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, Protocol

from optuna import TrialPruned
from optuna.trial import Trial

from biomass_pipeline.config import TrainingConfig
from biomass_pipeline.errors import BiomassError, TrainingDivergedError
from biomass_pipeline.mil.tuning.space import Space, UnusableSettingsError
from biomass_pipeline.mil.tuning.study import CONFIGURED, REASON

# A report is a commit of the database and a look at all other trials, some 7 ms in SQLite; every
# fifth epoch is soon enough to stop a trial of dozens.
REPORT_EVERY_EPOCHS = 5


class Scorer(Protocol):
    """Scores settings on inner groups of the training photos; higher is better."""

    def score(self, training: TrainingConfig, *, on_epoch: Callable[[int, float], None]) -> float:
        """Learn and score.

        Args:
            training: The settings.
            on_epoch: Told (epoch, score so far) while learning, if anything is learnt in epochs;
                it may raise to stop.
        """
        ...


@dataclass(frozen=True)
class Objective:
    """A trial to its score.

    Settings that cannot be learnt with are pruned with the reason, and the search goes on. The
    configured settings are the exception: nobody cuts them short, so the best trial is never worse
    than them, and what is wrong with them is wrong with the data or the configuration.

    Attributes:
        space: Where settings come from.
        scorer: Who scores them.
    """

    space: Space
    scorer: Scorer

    def __call__(self, trial: Trial) -> float:
        """Run a trial.

        Raises:
            TrialPruned: It is hopeless, or its settings are unusable.
            BiomassError: The configured settings cannot be learnt with.
        """
        values = self._values(trial)
        try:
            score = self.scorer.score(self.space.settings(values), on_epoch=_Watch(trial))
        except (UnusableSettingsError, TrainingDivergedError) as error:
            raise _pruned(trial, str(error)) from None
        except BiomassError as error:
            if CONFIGURED in trial.user_attrs:
                raise
            raise _pruned(trial, str(error)) from None
        if not isfinite(score):
            raise _pruned(trial, "the score is not finite")
        return score

    def _values(self, trial: Trial) -> dict[str, Any]:
        configured: dict[str, Any] | None = trial.user_attrs.get(CONFIGURED)
        if configured is None:
            return self.space.suggest(trial)
        # What lies in the space is told to the sampler as well.
        self.space.suggest(trial, fields=self.space.configured_within())
        return configured


@dataclass(frozen=True)
class _Watch:
    """Reports a trial's progress, and ends it where the pruner says so."""

    trial: Trial

    def __call__(self, epoch: int, score: float) -> None:
        if (epoch + 1) % REPORT_EVERY_EPOCHS or not isfinite(score):
            return
        self.trial.report(score, epoch)
        if CONFIGURED not in self.trial.user_attrs and self.trial.should_prune():
            raise _pruned(self.trial, f"hopeless after {epoch + 1} epochs")


def _pruned(trial: Trial, reason: str) -> TrialPruned:
    trial.set_user_attr(REASON, reason)
    return TrialPruned(reason)
