"""Tuning on the photos of all folds but one, or on all: a study, its trials, and what it found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from biomass_pipeline.config import DataConfig, TrainingConfig, TuningConfig
from biomass_pipeline.mil.bags import BagBatch
from biomass_pipeline.mil.provenance import training_fingerprint
from biomass_pipeline.mil.targets import LabelledBags, align_labels
from biomass_pipeline.mil.training import FitOptions, Parts
from biomass_pipeline.mil.tuning.objective import Objective, Scorer
from biomass_pipeline.mil.tuning.result import StudyResult
from biomass_pipeline.mil.tuning.scorers import NetworkScorer, RidgeScorer
from biomass_pipeline.mil.tuning.space import Space
from biomass_pipeline.mil.tuning.study import enqueue_configured, open_study, run_trials
from biomass_pipeline.store.bags import FeatureSet


@dataclass(frozen=True)
class Search:
    """What is searched, and how.

    Attributes:
        data: The targets.
        training: The configured settings: the first trial, and what is not searched.
        tuning: The space, how many trials, by whom they are proposed.
        extraction: Fingerprint of the features.
    """

    data: DataConfig
    training: TrainingConfig
    tuning: TuningConfig
    extraction: str

    def space(self) -> Space:
        """The checked search space.

        Raises:
            SearchSpaceError: A field is unknown or decides nothing here, or a value cannot be.
        """
        return Space.of(self.training, self.tuning.space)


def tune(  # noqa: PLR0913  # what is learnt from, and where and on what that is done
    name: str,
    train: FeatureSet,
    labels: pd.DataFrame,
    *,
    search: Search,
    storage_url: str,
    device: str = "cpu",
    threads: int | None = None,
) -> StudyResult:
    """Search settings by inner groups of some photos.

    A study goes on where an earlier call was stopped or killed, also together with other processes
    that call this with the same arguments. Trials of other photos, labels, features or settings
    that are not searched are another study: the name that is kept ends in a fingerprint of these.

    Args:
        name: What is tuned, such as `fold_0` or `all`.
        train: Every photo to learn from; for a nested score none of the held-out fold.
        labels: Columns `image_id`, `group`, the targets and the covariates; rows of other photos
            are ignored.
        search: What is searched.
        storage_url: The database of studies, as SQLAlchemy names it.
        device: As PyTorch names it: cpu, cuda, cuda:1, mps.
        threads: PyTorch's threads on a CPU; None leaves them alone.

    Raises:
        SearchSpaceError: A field cannot be searched as it is said.
        MissingDriverError: The database's driver is not installed.
        StudyStorageError: The database cannot be used.
        EmptyStudyError: No trial was completed.
        UnlabelledBagError: A photo has no label.
        UndefinedScoreError: The labels of inner photos are all alike.
        TooFewGroupsError: All photos are of one group.
    """
    space, tuning = search.space(), search.tuning
    labelled = labels_of(train, labels, search=search)
    whole_name = study_name(name, train, labelled, search=search)
    scorer: Scorer = RidgeScorer(train, labels, search.data)
    if not space.searches_ridge:
        options = FitOptions(where=f"study {name}", threads=threads)
        scorer = _network_scorer(train, labelled, search=search, options=options, device=device)
    with open_study(
        whole_name,
        storage_url=storage_url,
        sampler=tuning.sampler,
        pruner=tuning.pruner,
        seed=tuning.seed,
    ) as study:
        first, within = space.configured(), space.configured_within()
        enqueue_configured(study, first, within=within, storage_url=storage_url)
        objective = Objective(space, scorer)
        run_trials(study, objective, n_trials=tuning.n_trials, timeout_s=tuning.timeout_s)
        return StudyResult.of(study, space)


def study_name(name: str, train: FeatureSet, labelled: LabelledBags, *, search: Search) -> str:
    """A name for a study and for all that decides a trial's score, such as `fold_0-1f2e...`."""
    decides = dict(search.space().decides()) | {"inner_parts": search.tuning.inner_parts}
    return f"{name}-{fingerprint_of(train, labelled, search=search, decides=decides)}"


def fingerprint_of(
    train: FeatureSet, labelled: LabelledBags, *, search: Search, decides: Mapping[str, Any]
) -> str:
    """Hash what is learnt from, and how, as the graph does for a fold's models."""
    known = [
        [*y, *beside]
        for y, beside in zip(labelled.y.tolist(), labelled.covariates.tolist(), strict=True)
    ]
    return training_fingerprint(
        decides=decides,
        data=search.data,
        extraction=search.extraction,
        images=zip(train.image_sha256, labelled.groups.tolist(), known, strict=True),
    )


def labels_of(features: FeatureSet, labels: pd.DataFrame, *, search: Search) -> LabelledBags:
    """The labels of some photos, in their order, with the configured covariates.

    Raises:
        UnlabelledBagError: A photo has no label.
        UnknownCovariateError: A covariate is no column of numbers.
    """
    return align_labels(
        labels,
        features.image_ids,
        names=search.data.target_names,
        covariates=search.training.covariates,
        date_column=search.data.date_column,
    )


def _network_scorer(
    train: FeatureSet,
    labelled: LabelledBags,
    *,
    search: Search,
    options: FitOptions,
    device: str,
) -> NetworkScorer:
    """Networks on the inner parts that the first networks of an ensemble have."""
    parts = tuple(
        Parts.of_seed(labelled, search.training, number=number)
        for number in range(search.tuning.inner_parts)
    )
    bags = BagBatch.from_feature_set(train, device=device, covariates=labelled.covariates)
    return NetworkScorer(bags, labelled, search.data, parts, options)
