"""Errors about a site's cuts and the calibration learnt from them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from biomass_pipeline.errors.family import BiomassError

_SHOWN = 20


class CutsTableError(BiomassError):
    """The table of cuts has cells that cannot be trusted; each is listed by line and column."""

    def __init__(self, source: str, issues: Iterable[str]) -> None:
        found = list(issues)
        rest = len(found) - _SHOWN
        shown = "\n".join(f"  - {issue}" for issue in found[:_SHOWN])
        more = f"\n  ... and {rest} more" if rest > 0 else ""
        super().__init__(
            f"{source} has {len(found)} problem(s) that would mislead the calibration:\n"
            f"{shown}{more}\nCorrect these cells and run again."
        )


class UnknownCutsError(BiomassError):
    """Cuts are of photos that were not predicted, so nothing can be learnt from them."""

    def __init__(self, names: Sequence[str], *, n_photos: int) -> None:
        listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")  # noqa: PLR2004  # the same five
        super().__init__(
            f"{len(names)} cut(s) are of photos that are not among the {n_photos} predicted ones: "
            f"{listed}. Put their photos into the folder, or take these rows out of the table."
        )


class CutCountError(BiomassError):
    """There are too few cuts to calibrate by, or so many that training is the better use."""

    def __init__(
        self,
        source: str,
        n_cuts: int,
        *,
        limits: tuple[int, int],
        left_out: Sequence[tuple[str, str]],
    ) -> None:
        least, most = limits
        listed = "; ".join(f"{name}: {reason}" for name, reason in left_out[:_SHOWN])
        refused = f" ({len(left_out)} more were left out: {listed})" if left_out else ""
        advice = (
            f"Weigh at least {least}: fewer tell a site's shift from chance too rarely."
            if n_cuts < least
            else f"At most {most} are taken: with so many, add them to the labels "
            f"(`data.labels`) and train again, which gains more than a scale and an offset."
        )
        super().__init__(f"{source} has {n_cuts} usable cut(s){refused}. {advice}")


class UnreadableSiteError(BiomassError):
    """A file is no calibration of this package, or a damaged one."""

    def __init__(self, path: Path, *, reason: str) -> None:
        super().__init__(
            f"{path} cannot be read as a site's calibration: {reason}. "
            f"Write it anew with `biomass calibrate`."
        )


class StrangerSiteError(BiomassError):
    """A calibration was learnt on top of another model than the one that predicts."""

    def __init__(self, path: Path, *, found: str, expected: str) -> None:
        super().__init__(
            f"{path} was learnt on top of model {found}, but the predictions are by {expected}. "
            f"Its scales would correct errors that this model does not make: run "
            f"`biomass calibrate` again with this model and the same cuts."
        )
