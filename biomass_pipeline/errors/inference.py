"""Errors about predictions of photos that nobody weighed."""

import difflib
from collections.abc import Sequence

from biomass_pipeline.errors.family import BiomassError

_SHOWN = 10


class SubmissionIdsError(BiomassError):
    """The rows that a submission must have are not those that were predicted."""

    def __init__(
        self, *, unpredicted: Sequence[str], unasked: Sequence[str], twice: Sequence[str]
    ) -> None:
        problems = [
            ("asked for, but there is no prediction of them", unpredicted),
            ("predicted, but not asked for", unasked),
            ("asked for twice", twice),
        ]
        listed = "\n".join(
            f"  - {len(names)} {what}: {_some(names)}" for what, names in problems if names
        )
        super().__init__(
            f"The rows of `data.submission` are not those of the photos without labels:\n{listed}\n"
            f"Put the photos that it names into `data.images` and no others without labels, look "
            f"for quarantined ones, or mend the file. Without `data.submission` every photo that "
            f"has no label is submitted."
        )


class SubmissionColumnsError(BiomassError):
    """The file that a submission should follow does not say which rows it wants."""

    exit_code = 2

    def __init__(self, source: str, found: Sequence[str]) -> None:
        super().__init__(
            f"{source} has no column `sample_id`, so it does not tell which rows a submission "
            f"needs. Its columns are: {', '.join(found) or 'none'}. Set `data.submission` to the "
            f"test file or the sample submission, or leave it out."
        )


class SubmissionNumbersError(BiomassError):
    """Numbers to submit are negative, not finite, or do not add up."""

    def __init__(self, problems: Sequence[str]) -> None:
        listed = "\n".join(f"  - {problem}" for problem in problems[:_SHOWN])
        more = f"\n  ... and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        super().__init__(
            f"The predictions to submit break what every submission must keep (finite, not "
            f"negative, sums that add up):\n{listed}{more}\nRematerialize `predictions`; if that "
            f"does not help, run `biomass cache verify`: features may be damaged."
        )


class UngroupedPhotosError(BiomassError):
    """Photos have no paddock, so a summary by paddock would leave them out."""

    exit_code = 2

    def __init__(self, image_ids: Sequence[str]) -> None:
        super().__init__(
            f"{len(image_ids)} photo(s) have no paddock: {_some(image_ids)}. Give each of them "
            f"one, or leave these photos out."
        )


class UnknownTargetError(BiomassError):
    """A target is asked for that the models do not predict."""

    exit_code = 2

    def __init__(self, name: str, *, known: Sequence[str]) -> None:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean `{near[0]}`? " if near else ""
        super().__init__(
            f"The models do not predict `{name}`. {hint}They predict: {', '.join(known)}."
        )


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
