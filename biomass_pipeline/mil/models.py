"""A fold's models side by side: the network, the ridge, their stack, and which of them is taken."""

from dataclasses import dataclass

from biomass_pipeline.mil.checkpoints import TrainedFold
from biomass_pipeline.mil.prediction import Beside, predict
from biomass_pipeline.mil.predictive import PredictionSpec, Predictive
from biomass_pipeline.mil.ridge import RidgeModel, novelty_percentile, predict_ridge
from biomass_pipeline.mil.stack import Choice, choose, predict_stack
from biomass_pipeline.store.bags import FeatureSet


@dataclass(frozen=True)
class FoldModels:
    """What was learnt without a fold.

    Attributes:
        network: The ensemble of networks.
        ridge: The linear model of pooled features.
    """

    network: TrainedFold
    ridge: RidgeModel

    def choice(self) -> Choice:
        """Which model is taken, from inner predictions alone: no held-out photo is seen."""
        return choose(self.network.inner, self.ridge.inner, targets=self.network.targets)

    def predict(
        self,
        features: FeatureSet,
        *,
        spec: PredictionSpec,
        device: str = "cpu",
        beside: Beside | None = None,
    ) -> dict[str, Predictive]:
        """Predict photos by each model.

        Args:
            features: The photos.
            spec: Levels, method, number of draws.
            device: As PyTorch names it.
            beside: Covariates, for networks that were trained with them.

        Returns:
            By model: `mil`, `ridge`, `stack`, and `auto`, which is the chosen one of them.

        Raises:
            FeatureWidthError: The features are of another extraction.
            EmptyBagError: A photo has no tile.
            MissingCovariateError: A covariate is missing that was never missing in training.
        """
        network = predict(self.network, features, spec=spec, device=device, beside=beside)
        ridge = predict_ridge(self.ridge, features, spec=spec)
        choice = self.choice()
        found = {
            "mil": network,
            "ridge": ridge,
            "stack": predict_stack(choice, network, ridge, spec=spec),
        }
        return found | {"auto": found[choice.model]}

    def novelty(self, features: FeatureSet) -> dict[str, float]:
        """How unlike the training photos each photo is, as a percentile 0..100, by its id."""
        percentile = novelty_percentile(self.ridge, features)
        return dict(zip(features.image_ids, percentile.tolist(), strict=True))
