"""Errors about photos, labels and their groups."""

from collections.abc import Iterable, Sequence

from biomass_pipeline.errors.family import BiomassError
from biomass_pipeline.plain import without_secrets

_SHOWN_ISSUES = 20


class LabelTableError(BiomassError):
    """The label file has rows that cannot be trusted; every one is listed by line and column."""

    def __init__(self, source: str, issues: Iterable[str]) -> None:
        self.issues = found = list(issues)
        shown = "\n".join(f"  - {issue}" for issue in found[:_SHOWN_ISSUES])
        rest = len(found) - _SHOWN_ISSUES
        more = f"\n  ... and {rest} more" if rest > 0 else ""
        super().__init__(
            f"{source} has {len(found)} problem(s) that would corrupt training:\n{shown}{more}\n"
            f"Correct these cells and run again."
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
            f"{without_secrets(location)} cannot be listed: {why}. Photos in it would be missed: "
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


class LostDecoderError(UnreadableImageError):
    """The process that decoded a photo crashed, hung or fell silent; another try may go well."""


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


class UnclearLabelsError(BiomassError):
    """A configuration cannot be guessed from the label file."""

    exit_code = 2

    def __init__(self, problem: str, columns: Sequence[str]) -> None:
        super().__init__(
            f"The label file has {problem}; its columns are {', '.join(columns)}. Name them "
            f"yourself with `--target` and `--group`, or write the `data:` section by hand."
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


class ChangedImageError(BiomassError):
    """A photo's bytes are not those that the manifest saw."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"Photo {path} changed after `image_manifest` was made, so its features would be filed "
            f"under the wrong content. Run `biomass run` again, which reads the folder anew."
        )
