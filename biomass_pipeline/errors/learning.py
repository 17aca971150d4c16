"""Errors about bags, training, checkpoints and scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from biomass_pipeline.errors.family import BiomassError

_SHOWN_ISSUES = 20


class UnlabelledBagError(BiomassError):
    """A photo was given for training without a finite label of every target."""

    def __init__(self, image_ids: Sequence[str]) -> None:
        super().__init__(
            f"{len(image_ids)} photo(s) to train on have no group or no finite label of every "
            f"target: {_some(image_ids)}. Rematerialize `label_table` and `feature_cache` "
            f"together, or leave these photos out of the training folds."
        )


class UnknownCovariateError(BiomassError):
    """A configured covariate is no column of the label table, or holds what is no number."""

    def __init__(self, name: str, *, column: str | None) -> None:
        super().__init__(
            f"`training.covariates` names {name}, but the label table has no column "
            f"{column or 'of dates (`data.date_column`)'} of numbers (of dates for `season`). "
            f"Mend the column, or leave the name out of `training.covariates`."
        )


class MissingCovariateError(BiomassError):
    """Photos lack a covariate that the network was never trained to do without."""

    def __init__(self, n_lacking: Mapping[str, int], *, n_photos: int) -> None:
        lacking = ", ".join(f"{name} ({count})" for name, count in n_lacking.items())
        super().__init__(
            f"Of {n_photos} photo(s) to predict, some lack covariates that every training photo "
            f"had: {lacking}. Give their values, or train with `training.covariate_dropout` above "
            f"0 (or without these `training.covariates`) and rematerialize `mil_checkpoint`."
        )


class MissingTorchmilError(BiomassError):
    """An aggregator of torchmil is asked for, and the library is not installed."""

    exit_code = 2

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"`training.aggregator` names a model of torchmil, which cannot be imported "
            f'({reason}). Install it with `pip install "biomass-pipeline[torchmil]"`, or choose an '
            f"aggregator of this package."
        )


class UnsupportedTorchmilError(BiomassError):
    """torchmil has no such model, or the model needs more than a bag of tiles."""

    exit_code = 2

    def __init__(self, name: str, *, reason: str, supported: Sequence[str]) -> None:
        super().__init__(
            f"`training.aggregator` is torchmil:{name}, which cannot be used: {reason}. "
            f"Those that can: {', '.join(f'torchmil:{each}' for each in supported)}."
        )


class EmptyBagError(BiomassError):
    """A photo has no tile to learn from or to predict on."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"{len(names) or 'All'} bag(s) hold no tile: {_some(names) or 'there is no photo'}. "
            f"Every photo has at least one tile: rematerialize `patch_index` and `feature_cache`."
        )


class StrangeFeaturesError(BiomassError):
    """Features to learn from or to predict by are NaN or infinite."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"Features of {len(names)} photo(s) are not finite: {_some(names)}. Run `biomass cache "
            f"verify`, and rematerialize `feature_cache`, or `inference_features` of photos "
            f"without labels."
        )


class TooFewGroupsError(BiomassError):
    """The training photos cannot be split into groups for early stopping and calibration."""

    def __init__(self, groups: Sequence[str], *, n_images: int) -> None:
        super().__init__(
            f"The {n_images} training photos are all of one group ({_some(groups)}), so none can "
            f"be set aside to stop training by. Use fewer folds (`folds.n_folds`), or "
            f"`data.group_columns` that tell the photos apart."
        )


class TrainingDivergedError(BiomassError):
    """The loss of a network became NaN or infinite."""

    def __init__(
        self, *, where: str, epoch: int, image_ids: Sequence[str], cause: "DivergenceCause"
    ) -> None:
        super().__init__(
            f"Training of {where} gave a loss that is not finite in epoch {epoch}, on the photos "
            f"{_some(image_ids)}. {cause.sentence()}"
        )


@dataclass(frozen=True)
class DivergenceCause:
    """What was found when a loss was not finite.

    Attributes:
        features_of: Photos whose features are not finite.
        labels_of: Photos whose labels are not finite as the network reads them.
        learning_rate: Of the optimiser at the time.
    """

    features_of: Sequence[str]
    labels_of: Sequence[str]
    learning_rate: float

    def sentence(self) -> str:
        """The likely cause and the next step."""
        if self.features_of:
            return (
                f"The likely cause: features of {len(self.features_of)} training photo(s) are not "
                f"finite: {_some(self.features_of)}. Run `biomass cache verify`, and rematerialize "
                f"`feature_cache`."
            )
        if self.labels_of:
            return (
                f"The likely cause: labels of {len(self.labels_of)} photo(s) are not finite in "
                f"32 bits: {_some(self.labels_of)}. Correct them in the label file."
            )
        return (
            f"Features and labels are finite, so the likely cause is a `training.learning_rate` "
            f"that is too large: it was {self.learning_rate:g}. Lower it, or "
            f"`training.gradient_clip`."
        )


class MissingCheckpointError(BiomassError):
    """A trained fold is not there, or only part of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"There is no trained fold at {path}, or its training was interrupted. "
            f"Materialize `mil_checkpoint` and `ridge_baseline` for this fold."
        )


class UnreadableCheckpointError(BiomassError):
    """A checkpoint file is damaged or is no checkpoint of this package."""

    def __init__(self, path: Path, *, reason: str) -> None:
        super().__init__(
            f"{path} cannot be read as a checkpoint of this package: {reason}. "
            f"Delete it and rematerialize `mil_checkpoint` and `ridge_baseline` for this fold."
        )


class StaleCheckpointError(BiomassError):
    """A checkpoint was trained from other photos, labels, features or settings than requested."""

    def __init__(self, path: Path, *, found: str, expected: str) -> None:
        super().__init__(
            f"{path} was trained under fingerprint {found}, but {expected} was asked for. "
            f"Rematerialize `mil_checkpoint` and `ridge_baseline` for this fold, or restore the "
            f"earlier configuration."
        )


class FeatureWidthError(BiomassError):
    """A model was asked about features of another width than it was trained on."""

    def __init__(self, *, found: int, expected: int) -> None:
        super().__init__(
            f"The features are {found} wide, but the model was trained on {expected}. "
            f"Use the cache of the same extraction, or rematerialize `mil_checkpoint` and "
            f"`ridge_baseline`."
        )


def _some(names: Sequence[str], shown: int = 5) -> str:
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {rest} more" if rest > 0 else "")


class UndefinedScoreError(BiomassError):
    """A score was asked for where it has no value; 0 or 1 instead would be a lie."""

    def __init__(self, score: str, reason: str) -> None:
        super().__init__(
            f"The {score} is not defined here: {reason}. Score more images, or look at RMSE and "
            f"bias, which need no spread in the labels."
        )


class PooledPredictionsError(BiomassError):
    """Out-of-fold predictions do not cover each labelled image once; a score would be dishonest."""

    def __init__(self, problems: Sequence[str]) -> None:
        shown = "\n".join(f"  - {problem}" for problem in problems[:_SHOWN_ISSUES])
        super().__init__(
            f"The folds' predictions do not cover each labelled image exactly once:\n{shown}\n"
            f"Rematerialize `fold_predictions` for every fold, with one fold assignment."
        )


class MixedTrainingError(BiomassError):
    """Folds were trained by different settings, labels or photos; pooled, they mean nothing."""

    def __init__(self, folds: Sequence[int], *, different: Sequence[str]) -> None:
        names = ", ".join(map(str, folds))
        super().__init__(
            f"The folds' models were not all trained by the same state of settings, labels and "
            f"photos, so their predictions were not pooled. They differ in: {_some(different)}. "
            f"Fold(s) to rerun: {names}. Run `biomass run`, or rematerialize `mil_checkpoint`, "
            f"`ridge_baseline` and `fold_predictions` of these folds."
        )


class EmptyFoldError(BiomassError):
    """All photos of a fold are gone, and groups stay where they are."""

    def __init__(self, folds: Sequence[int]) -> None:
        names = ", ".join(map(str, folds))
        super().__init__(
            f"Fold(s) {names} hold no photo any more, since all their groups were removed or "
            f"quarantined. Restore some of them, or set another `folds.seed`, which assigns every "
            f"group anew."
        )


class ProtocolColumnError(BiomassError):
    """A column whose values should be left out is not among the labels."""

    def __init__(self, column: str, columns: Sequence[str]) -> None:
        super().__init__(
            f"`evaluation.protocols.leave_out` names the column {column}, which the labels do not "
            f"have; they have {', '.join(columns)}. Name one of these, or write `auto`."
        )


class OverlappingSplitError(BiomassError):
    """A protocol would have learnt from what it predicts; its score would be a lie."""

    def __init__(self, protocol: str, *, split: str, what: str, names: Sequence[str]) -> None:
        super().__init__(
            f"Split {split} of protocol {protocol} has {len(names)} {what}(s) on both sides: "
            f"{_some(names)}. None may be, so nothing was trained. Check that each photo is in "
            f"the label table once, then rematerialize `label_table`."
        )


class SearchSpaceError(BiomassError):
    """The configured search names a field that is none, or a value that cannot be."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(
            f"`tuning.space` cannot be searched: {'; '.join(problems[:_SHOWN_ISSUES])}. "
            f"Nothing was trained; mend `tuning.space` and start again."
        )


class MissingDriverError(BiomassError):
    """The database of studies needs a package that is not installed."""

    def __init__(self, url: str, *, driver: str) -> None:
        super().__init__(
            f"`tuning.storage` is {url}, whose driver {driver} is not installed. "
            f"Install it: pip install 'biomass-pipeline[postgres]' for PostgreSQL, or leave "
            f"`tuning.storage` out to keep the studies in SQLite under the root folder."
        )


class StudyStorageError(BiomassError):
    """The database of studies cannot be opened, read or written."""

    def __init__(self, url: str, *, reason: str) -> None:
        super().__init__(
            f"The studies at {url} cannot be used: {reason}. "
            f"Check `tuning.storage` and that its server is running; a damaged SQLite file may be "
            f"deleted, and its studies start anew."
        )


class EmptyStudyError(BiomassError):
    """A study ended without one completed trial, so it recommends nothing."""

    def __init__(self, name: str, *, reasons: Sequence[str]) -> None:
        found = f": {_some(reasons)}" if reasons else ", since none was run"
        super().__init__(
            f"Study {name} has no completed trial{found}. The configured settings are its first "
            f"trial: mend them in `training`, or give the study more time (`tuning.timeout_s`)."
        )
