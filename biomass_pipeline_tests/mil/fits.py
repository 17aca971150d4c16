"""One network trained on a small field, and whether two are equal by every bit."""

import torch

from biomass_pipeline.config import DataConfig
from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.fitted import FittedNetwork
from biomass_pipeline.mil.fitting import FitOptions, Parts, fit_network
from biomass_pipeline.mil.targets import align_labels


def fit(field, training, *, data=None, number=0, **options) -> FittedNetwork:
    """Train network `number` of an ensemble."""
    data = data or DataConfig()
    labelled = align_labels(
        field.labels,
        field.features.image_ids,
        names=data.target_names,
        covariates=training.covariates,
    )
    return fit_network(
        BagBatch.from_feature_set(field.features, covariates=labelled.covariates),
        labelled,
        data=data,
        training=training,
        parts=Parts.of_seed(labelled, training, number=number),
        number=number,
        options=FitOptions(**options),
    )


def same(one: FittedNetwork, other: FittedNetwork) -> bool:
    """Weights, statistics, inner predictions and what was judged best."""
    ours, theirs = one.network.state_dict(), other.network.state_dict()
    return (
        ours.keys() == theirs.keys()
        and all(torch.equal(ours[name], theirs[name]) for name in ours)
        and (one.inner.outputs == other.inner.outputs).all()
        and (one.best_epoch, one.best_error) == (other.best_epoch, other.best_error)
    )
