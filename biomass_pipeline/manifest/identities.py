"""Sums among the targets: filled in where the file leaves them out, checked where it has them."""

import pandas as pd

from biomass_pipeline.config import DataConfig
from biomass_pipeline.manifest.layouts import IMAGE, Findings


def with_sums(table: pd.DataFrame, spec: DataConfig, findings: Findings) -> pd.DataFrame:
    """Compute the sums that the file does not have, and compare those it has with their parts.

    A sum that is off by more than the tolerance is a warning; by more than the gross fraction of
    the larger side as well, a problem.

    Returns:
        The table with `image_path` first, then all targets in configured order.
    """
    for name in spec.sum_order():
        parts = list(spec.identities[name])
        total = table[parts].sum(axis=1, skipna=False)
        if name in table.columns:
            _compare(table, name, total, spec=spec, findings=findings)
        else:
            findings.warnings.append(
                f"`{name}` is not in the file: computed as {' + '.join(parts)}"
            )
            table = table.assign(**{name: total})
    first = [IMAGE, *spec.target_names]
    return table[[*first, *(name for name in table.columns if name not in first)]]


def _compare(
    table: pd.DataFrame,
    name: str,
    total: "pd.Series[float]",
    *,
    spec: DataConfig,
    findings: Findings,
) -> None:
    unit = next(target.unit for target in spec.targets if target.name == name)
    sentence = " + ".join(spec.identities[name])
    rows = zip(table.index.tolist(), table[IMAGE], table[name], total, strict=True)
    for line, image, stated, summed in rows:
        gap = abs(stated - summed)
        if not gap > spec.identity_tolerance:
            continue
        text = (
            f": image `{image}` has {name} {stated:g} {unit}, but {sentence} is {summed:g} {unit} "
            f"({gap:.4g} {unit} apart)"
        )
        if gap > spec.identity_gross_fraction * max(stated, summed):
            findings.add(line, text)
        else:
            findings.warnings.append(f"{findings.place} {line}{text}")
