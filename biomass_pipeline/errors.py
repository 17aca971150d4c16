"""Every error a person may meet: what, where, expected, next step. One family, no logic."""

from collections.abc import Iterable, Sequence
from pathlib import Path

_SHOWN_ISSUES = 20


class BiomassError(Exception):
    """A mistake or a condition that a person can act on; its text is all they need to read."""

    exit_code = 1


class ConfigError(BiomassError):
    """The configuration cannot be read or does not make sense."""

    exit_code = 2

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{source} is not a valid configuration:\n{lines}\nMend it and run again.")


class MissingInputError(BiomassError):
    """A file or folder that the configuration or an option names is not there."""

    exit_code = 2

    def __init__(self, what: str, location: str, *, option: str) -> None:
        advice = (
            f"Give an existing one with `{option}`."
            if option.startswith("-")
            else f"Set `{option}` in the configuration to an existing one, or run `biomass init` "
            f"to write a configuration for your data."
        )
        super().__init__(f"There is no {what} at {location}. {advice}")


class MissingConfigurationError(BiomassError):
    """A verb was called where no configuration is, and no variable or option names data."""

    exit_code = 2

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"There is no configuration: no `--config`, no BIOMASS_CONFIG, and no biomass.yaml in "
            f"{folder}. Run `biomass init --images FOLDER --labels FILE` to write one for your "
            f"data, or `biomass demo` to try generated photos."
        )


class UnusableRootError(BiomassError):
    """Nothing can be written where the artefacts should go."""

    exit_code = 2

    def __init__(self, root: Path, why: str) -> None:
        super().__init__(
            f"Artefacts cannot be written under {root}: {why}. Set `root` in the configuration to "
            f"a folder that you may write to."
        )


class UnreachableLocationError(BiomassError):
    """A URL's kind of storage is unknown, or a package for it is not installed."""

    exit_code = 2

    def __init__(self, location: str, why: str) -> None:
        super().__init__(
            f"{location} cannot be reached: {why}. Use a path or a URL such as s3://bucket/photos; "
            f"S3 and Google Storage come with `pip install 'biomass-pipeline[s3]'` or `[gs]`."
        )


class UnusableDeviceError(BiomassError):
    """The configured device is not on this machine."""

    exit_code = 2

    def __init__(self, device: str, why: str) -> None:
        super().__init__(
            f"Device `{device}` cannot be used on this machine: {why}. Set `compute.device` to "
            f"auto, which takes what is there, or to cpu."
        )


class AssetFailedError(BiomassError):
    """An asset failed for a reason that nobody foresaw; Dagster's log keeps the traceback."""

    def __init__(self, asset: str, *, fold: str | None, cause: str, run_id: str) -> None:
        place = f"`{asset}`" if fold is None else f"`{asset}` of fold {fold}"
        super().__init__(
            f"{place} failed: {cause}. What was finished before it is kept. This is nothing that "
            f"the checks foresaw, perhaps a bug: its traceback is in Dagster's run {run_id}, which "
            f"`biomass ui` shows under Runs."
        )


class InterruptedRunError(BiomassError):
    """Somebody stopped a run on purpose."""

    exit_code = 130  # as a shell reports it

    def __init__(self) -> None:
        super().__init__(
            "Interrupted. What was finished is kept, and the next `biomass run` goes on from it."
        )


class FailedCheckError(BiomassError):
    """A blocking asset check failed, so nothing after its asset may run."""

    def __init__(self, check: str, *, asset: str, found: str) -> None:
        super().__init__(
            f"Check `{check}` of `{asset}` failed: {found} Nothing after it was run. "
            f"Rematerialize `{asset}` and what it reads; if the check fails again, its details are "
            f"in `biomass ui`."
        )


class StaleCacheError(BiomassError):
    """A feature cache was written by a different extraction than the one requested."""

    def __init__(self, path: Path, *, found: str, expected: str) -> None:
        super().__init__(
            f"{path} holds features of extraction {found}, but {expected} was asked for. "
            f"Rematerialize `feature_cache` for this fold, or restore the earlier configuration."
        )


class LabelTableError(BiomassError):
    """The label file has rows that cannot be trusted; every one is listed by line and column."""

    def __init__(self, source: str, issues: Iterable[str]) -> None:
        found = list(issues)
        shown = "\n".join(f"  - {issue}" for issue in found[:_SHOWN_ISSUES])
        rest = len(found) - _SHOWN_ISSUES
        more = f"\n  ... and {rest} more" if rest > 0 else ""
        super().__init__(
            f"{source} has {len(found)} problem(s) that would corrupt training:\n{shown}{more}\n"
            f"Correct these cells and run again."
        )


class MissingCacheError(BiomassError):
    """A fold's feature cache is not on disk."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"There is no feature cache at {path}. Materialize `feature_cache` for this fold, or "
            f"run `biomass run`."
        )


class DamagedCacheError(BiomassError):
    """A file in the place of a feature cache cannot be used."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"{path} is not a usable feature cache: {problem}. Delete the file and run "
            f"`biomass run`: photos that other fold files hold are copied, the rest are embedded."
        )


class FeatureRangeError(BiomassError):
    """A backbone gave a value that cannot be stored."""

    def __init__(self, image_id: str, *, backbone: str, dtype: str, largest: float) -> None:
        super().__init__(
            f"Backbone {backbone} gave photo {image_id} a feature that {dtype} cannot hold "
            f"(largest size {largest:g}). Set `cache.dtype: float32` if it is finite, else check "
            f"the weights."
        )


class ForeignPhotosError(BiomassError):
    """Generated photos would replace files that nobody generated."""

    def __init__(self, folder: Path, found: Sequence[str]) -> None:
        super().__init__(
            f"{folder} holds {', '.join(found)}, which were not generated here, and generated "
            f"photos would replace them. Choose an empty folder, or move these files away first."
        )


class ChangedImageError(BiomassError):
    """A photo's bytes are not those that the manifest saw."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"Photo {path} changed after `image_manifest` was made, so its features would be filed "
            f"under the wrong content. Run `biomass run` again, which reads the folder anew."
        )


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


class UnknownBackboneError(BiomassError):
    """The configuration names a backbone that nobody registered."""

    exit_code = 2

    def __init__(self, name: str, *, near: Sequence[str], known: Sequence[str]) -> None:
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        super().__init__(
            f"There is no backbone `{name}`. {hint}Known: {', '.join(known)}. Set `backbone.name` "
            f"to one of these, or to `timm:NAME` for any network of timm."
        )


class BackboneTileError(BiomassError):
    """A network cannot see tiles of this size."""

    exit_code = 2

    def __init__(self, name: str, *, tile_px: int, patch_px: int) -> None:
        below = max(tile_px // patch_px, 1) * patch_px
        super().__init__(
            f"{name} cuts tiles into patches of {patch_px} px, but `tiling.tile_px` is {tile_px}, "
            f"which is not a multiple. Set it to {below} or {below + patch_px}."
        )


class MissingWeightsError(BiomassError):
    """A pretrained network's weights are neither here nor to be had."""

    exit_code = 2

    def __init__(self, name: str, *, source: str, reason: str) -> None:
        super().__init__(
            f"The weights of {name} are not on this machine and cannot be fetched from {source}: "
            f"{reason}. Download the file elsewhere and set `backbone.checkpoint` to it, or use "
            f"the weights-free backbone `colour-texture-rcf`."
        )


class WeightsMisfitError(BiomassError):
    """A checkpoint is of another network than the one named, or of none."""

    exit_code = 2

    def __init__(
        self, path: Path, *, model: str, problems: Sequence[str], fits: Sequence[str] = ()
    ) -> None:
        shown = "; ".join(problems[:_SHOWN_ISSUES])
        advice = (
            f"The file fits {' or '.join(fits)}: set `backbone.name` to that"
            if fits
            else "The file fits no model known here: check that it was downloaded whole"
        )
        super().__init__(
            f"{path} does not hold the weights of {model}: {shown}. {advice}, or set "
            f"`backbone.checkpoint` to another file."
        )


class MissingTableError(BiomassError, FileNotFoundError):
    """An asset that another one reads was never materialized, or its file was deleted."""

    def __init__(self, asset: str, path: Path) -> None:
        super().__init__(
            f"Asset `{asset}` has nothing at {path}. Materialize it first, or run `biomass run`, "
            f"which materializes whatever is missing."
        )


class UnknownLayoutError(BiomassError):
    """The label file's columns do not fit the layout, or tell nothing that could be predicted."""

    exit_code = 2

    def __init__(self, source: str, problem: str, found: Sequence[str], *, hint: str = "") -> None:
        columns = ", ".join(str(name) for name in found) or "none"
        super().__init__(
            f"{source} has an unknown layout: {problem}. Its columns: {columns}. "
            f"{hint or 'Set `data.layout` and the column names under `data:`.'}"
        )


class UnreadableFolderError(BiomassError):
    """Part of the photo folder cannot be listed, so photos could be missed in silence."""

    def __init__(self, location: str, why: str) -> None:
        super().__init__(
            f"{location} cannot be listed: {why}. Photos in it would be missed: "
            f"mend its permissions, or point `data.images` elsewhere."
        )


class UnreadableImageError(BiomassError):
    """A photo cannot be decoded into pixels; `reason` is what the manifest shows."""

    def __init__(self, *, reason: str, path: str = "the photo") -> None:
        self.reason = reason
        super().__init__(
            f"{path} cannot be decoded: {reason}. Replace the file, or rematerialize "
            f"`image_manifest` to quarantine it."
        )


class TooManyQuarantinedError(BiomassError):
    """More photos and labels are unusable than the configuration tolerates."""

    def __init__(
        self, *, quarantined: int, total: int, limit: float, reasons: Iterable[tuple[str, int]]
    ) -> None:
        listed = "\n".join(f"  - {reason}: {count}" for reason, count in reasons)
        super().__init__(
            f"{quarantined} of {total} photos and labels are quarantined, more than the "
            f"{limit:.1%} that `data.max_quarantined_fraction` allows:\n{listed}\n"
            f"Mend them (`image_manifest` names each), or raise the limit."
        )


class FoldCountError(BiomassError):
    """The number of folds does not fit the number of groups."""

    exit_code = 2

    def __init__(self, *, strategy: str, n_folds: int, groups: Sequence[str]) -> None:
        names = ", ".join(groups[:_SHOWN_ISSUES]) or "none"
        more = f" and {len(groups) - _SHOWN_ISSUES} more" if len(groups) > _SHOWN_ISSUES else ""
        rule = {
            "leave_one_group_out": "as many folds as groups",
            "group_k_fold": "at least as many groups as folds",
        }[strategy]
        super().__init__(
            f"`{strategy}` needs {rule}, but `folds.n_folds` is {n_folds} and there are "
            f"{len(groups)} group(s): {names}{more}. Set `folds.n_folds` or `data.group_columns`."
        )


class UnknownSelectionError(BiomassError):
    """A selection names no asset or fold of the graph."""

    exit_code = 2

    def __init__(self, selection: str, known: Sequence[str], *, n_folds: int) -> None:
        super().__init__(
            f"The selection `{selection}` names nothing in the graph. Assets: {', '.join(known)}; "
            f"`+` before or after a name adds what is upstream or downstream of it. "
            f"Folds: 0 to {n_folds - 1}, of those assets that have folds."
        )


class UnsettledAssetError(BiomassError):
    """An asset is stale again right after it ran."""

    def __init__(self, asset: str, count: int) -> None:
        super().__init__(
            f"{asset} is still stale after {count} runs, so its inputs change while it runs. Wait "
            f"until the photos and the configuration stop changing, then run `biomass run` again."
        )


class TokenCountError(BiomassError):
    """A network gave more or fewer tokens than its patches and prefix account for."""

    def __init__(self, name: str, *, found: int, prefix: int, patches: int) -> None:
        super().__init__(
            f"{name} gave {found} tokens a tile, but {prefix} prefix tokens and {patches} patches "
            f"were expected. Its class token cannot be told from the rest: use another backbone."
        )


class UnclearLabelsError(BiomassError):
    """A configuration cannot be guessed from the label file."""

    exit_code = 2

    def __init__(self, problem: str, columns: Sequence[str]) -> None:
        super().__init__(
            f"The label file has {problem}; its columns are {', '.join(columns)}. Name them "
            f"yourself with `--target` and `--group`, or write the `data:` section by hand."
        )


class FileInTheWayError(BiomassError):
    """A file would be overwritten."""

    exit_code = 2

    def __init__(self, path: Path, *, option: str) -> None:
        super().__init__(
            f"{path} exists already and would be overwritten. Use `{option}`, or another name."
        )


class PooledPredictionsError(BiomassError):
    """Out-of-fold predictions do not cover each labelled image once; a score would be dishonest."""

    def __init__(self, problems: Sequence[str]) -> None:
        shown = "\n".join(f"  - {problem}" for problem in problems[:_SHOWN_ISSUES])
        super().__init__(
            f"The folds' predictions do not cover each labelled image exactly once:\n{shown}\n"
            f"Rematerialize `fold_predictions` for every fold, with one fold assignment."
        )


class ChangedWeightsError(BiomassError):
    """A backbone's weights are not those that decided the fingerprint."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The weights of {name} were fetched or replaced after the graph was loaded, so its "
            f"fingerprint does not cover them. Reload the code location, or run `biomass run` "
            f"again."
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


class BusyProjectError(BiomassError):
    """Another command is at work on the same project."""

    def __init__(self, root: Path) -> None:
        super().__init__(
            f"Another `biomass` command is running on {root}. Wait until it ends, or stop it; it "
            f"loses at most the photos in flight."
        )
