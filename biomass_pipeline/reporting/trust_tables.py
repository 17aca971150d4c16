"""Tables of calibration, and the sentences that read them for a person."""

from typing import Final

from biomass_pipeline.config import DataConfig
from biomass_pipeline.reporting.table import (
    MAX_ROWS,
    Head,
    Row,
    Table,
    count,
    grouped_rows,
    number,
    share,
)
from biomass_pipeline.reporting.trust import LevelLine, Trust

# Nearer than this to its promise, coverage is called as promised.
_NEAR: Final = 0.05


def levels_table(trust: Trust, *, data: DataConfig) -> Table:
    """Promised and observed coverage at every level, and how wide that makes intervals."""
    groups = [
        (
            f"{target.name} ({target.unit})",
            [
                (share(line.level), (*_cells(line), share(line.by_group)))
                for line in trust.calibration[target.name].levels
            ],
        )
        for target in data.targets
    ]
    return Table(
        "How many measured values the intervals of each level held; the width is the mean, in the "
        "target's unit. By group: every group counts alike, which is what is promised.",
        ("Target", "Promised", "Observed", "Width", "By group"),
        tuple(grouped_rows(groups)),
    )


def distribution_table(trust: Trust, *, data: DataConfig) -> Table:
    """The scores of whole distributions and of stated zeros, by target."""
    rows = tuple(
        Row(
            (Head(f"{target.name} ({target.unit})"),),
            (number(found.crps), share(found.zeros), number(found.brier)),
        )
        for target in data.targets
        for found in (trust.calibration[target.name],)
    )
    return Table(
        "CRPS is the error of the whole predicted distribution, in the target's unit: as a mean "
        "absolute error, lower is better. The Brier score is of the stated probability that "
        "anything is there, 0 at best.",
        ("Target", "CRPS", "Measured zeros", "Brier score"),
        rows,
    )


def part_tables(trust: Trust, *, data: DataConfig) -> list[tuple[str, Table]]:
    """Coverage and width within each value of each group column, a table a column."""
    return [(column, _part_table(trust, column, data=data)) for column in data.group_columns]


def paddock_table(trust: Trust, *, data: DataConfig) -> Table:
    """Predicted and measured mean of each group, as if it were a paddock."""
    found = trust.paddocks
    groups = found.get("groups", {})
    target = next((t for t in data.targets if t.name == found.get("target")), data.targets[0])
    rows = tuple(
        Row(
            (Head(group),),
            (
                count(line["n"]),
                number(line["predicted"]),
                number(line["standard_error"]),
                number(line["measured"]),
            ),
        )
        for group, line in list(groups.items())[:MAX_ROWS]
    )
    return Table(
        f"Mean {target.name} of each group's photos, in {target.unit}.",
        ("Group", "Photos", "Predicted", "Standard error", "Measured"),
        rows,
        left_out=max(len(groups) - MAX_ROWS, 0),
    )


def coverage_sentence(trust: Trust) -> str:
    """The headline level in words: what was promised, what was kept, and where it was not."""
    covered = {
        name: line.covered
        for name, found in trust.calibration.items()
        for line in found.levels
        if line.level == trust.level and line.covered is not None
    }
    promised = share(trust.level)
    if not covered:
        return f"There are no {promised} intervals; why they were refused is said below."
    least, most = share(min(covered.values())), share(max(covered.values()))
    held = least if least == most else f"{least} to {most}, depending on the target,"
    narrow = [name for name, value in covered.items() if value < trust.level - _NEAR]
    wide = [name for name, value in covered.items() if value > trust.level + _NEAR]
    verdicts = [
        *([f"too narrow for {', '.join(narrow)}"] if narrow else []),
        *([f"wider than needed for {', '.join(wide)}"] if wide else []),
    ]
    return (
        f"Intervals that promise to hold {promised} of new values held {held} of those measured: "
        f"{' and '.join(verdicts) or 'as promised'}."
    )


def paddock_sentence(trust: Trust, *, data: DataConfig) -> str:
    """What a paddock's mean is worth; empty where there is nothing to say."""
    found = trust.paddocks
    if found.get("covered") is None:
        return ""
    unit = next((t.unit for t in data.targets if t.name == found["target"]), "")
    shared, own = (number(found[name], digits=2) for name in ("between_sd", "within_sd"))
    return (
        f"Photos of one group share errors of about {shared} {unit} (standard deviation), which "
        f"more photos do not average out, beside {own} {unit} of their own. The measured mean lies "
        f"within two standard errors of the predicted one in {share(found['covered'])} of the "
        f"groups."
    )


def _part_table(trust: Trust, column: str, *, data: DataConfig) -> Table:
    parts = [part for part in trust.parts if part.column == column]
    rows = tuple(
        Row(
            (Head(part.value),),
            (
                count(part.n),
                *(cell for target in data.targets for cell in _cells(part.targets[target.name])),
            ),
        )
        for part in parts[:MAX_ROWS]
    )
    titles = [title for target in data.targets for title in (target.name, "width")]
    return Table(
        f"Share of measured values inside their {share(trust.level)} interval, and the interval's "
        f"mean width. A few photos say little: 9 of 10 and 7 of 10 may be luck.",
        (column, "Photos", *titles),
        rows,
        left_out=max(len(parts) - MAX_ROWS, 0),
    )


def _cells(line: LevelLine) -> tuple[str, str]:
    return share(line.covered), number(line.width)
