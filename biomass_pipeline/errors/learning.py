"""Errors about bags, training, checkpoints and scores."""

from collections.abc import Sequence
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


class EmptyBagError(BiomassError):
    """A photo has no tile to learn from or to predict on."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"{len(names) or 'All'} bag(s) hold no tile: {_some(names) or 'there is no photo'}. "
            f"Every photo has at least one tile: rematerialize `patch_index` and `feature_cache`."
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

    def __init__(self, *, where: str, epoch: int, image_ids: Sequence[str]) -> None:
        super().__init__(
            f"Training of {where} gave a loss that is not finite in epoch {epoch}, on the photos "
            f"{_some(image_ids)}. Likely causes: features or labels that are not finite (run "
            f"`biomass cache verify`), or too large a `training.learning_rate`."
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


class EmptyFoldError(BiomassError):
    """All photos of a fold are gone, and groups stay where they are."""

    def __init__(self, folds: Sequence[int]) -> None:
        names = ", ".join(map(str, folds))
        super().__init__(
            f"Fold(s) {names} hold no photo any more, since all their groups were removed or "
            f"quarantined. Restore some of them, or set another `folds.seed`, which assigns every "
            f"group anew."
        )
