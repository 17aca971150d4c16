"""Which predictions a map divides up, and what has to be said of them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.features import usable_devices
from biomass_pipeline.inference.evidence import Evidence, ensemble_evidence
from biomass_pipeline.inference.new_photos import Outcome
from biomass_pipeline.mil import Beside

ScaleTo = Literal["network", "prediction"]


@dataclass(frozen=True)
class MappedOutcome:
    """Predictions of photos, and their division over tiles.

    Attributes:
        outcome: What is predicted.
        evidence: What the maps show.
        network: Shape (photo, target), what the networks predict.
        models: Who makes the predictions that are reported: `mil`, `ridge` or `stack`, the folds'
            choices.
        scale_to: What the maps add up to.
    """

    outcome: Outcome
    evidence: Evidence
    network: NDArray[np.float64]
    models: tuple[str, ...]
    scale_to: ScaleTo

    @property
    def predicted(self) -> NDArray[np.float64]:
        """Shape (photo, target), what is reported."""
        return self.outcome.prediction.predictive.y

    @property
    def exact(self) -> bool:
        """Whether the networks make the reported predictions, so that maps divide up these."""
        return self.models == ("mil",)


def map_outcome(outcome: Outcome, *, device: str, scale_to: ScaleTo = "network") -> MappedOutcome:
    """Divide predictions over tiles.

    Args:
        outcome: Predictions of at least one photo.
        device: As configured.
        scale_to: `network`: maps add up to what the networks predict. `prediction`: each component
            is scaled, so that they add up to what is reported.

    Raises:
        MissingCovariateError: A covariate is missing that was never missing in training.
    """
    bundle = outcome.bundle
    evidence = ensemble_evidence(
        bundle.ensemble,
        outcome.embedded.features,
        tiling=bundle.config.tiling,
        backbone=bundle.config.backbone,
        device=usable_devices(device)[0],
        beside=Beside(outcome.beside, bundle.config.data.date_column),
    )
    network = evidence.totals()
    if scale_to == "prediction":
        evidence = evidence.scaled_to(outcome.prediction.predictive.components)
    models = tuple(sorted({member.model for member in bundle.ensemble.members()}))
    return MappedOutcome(outcome, evidence, network, models, scale_to)
