"""How a benchmark ends: targets beside what was measured, and a JSON file, ratios first."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from biomass_pipeline.benchmark import describe_machine, package_versions, source_commit


@dataclass(frozen=True)
class Target:
    """A figure that was promised.

    Attributes:
        what: In words.
        target: The promise.
        measured: What came out.
        at_most: Whether smaller is better.
        exactly: Whether nothing but the target will do.
    """

    what: str
    target: float
    measured: float
    at_most: bool = False
    exactly: bool = False

    @property
    def met(self) -> bool:
        """Whether the promise is kept."""
        if self.exactly:
            return self.measured == self.target
        return self.measured <= self.target if self.at_most else self.measured >= self.target

    def line(self) -> str:
        """One line for a person."""
        sign = "==" if self.exactly else "<=" if self.at_most else ">="
        met = "yes" if self.met else "NO"
        return f"{self.what:<58}  {sign} {self.target:<6g}  {self.measured:8.3g}  {met}"


def finish(
    result: Path | None,
    *,
    ratios: Mapping[str, float],
    targets: Sequence[Target] = (),
    details: Mapping[str, Any],
    devices: Sequence[str] = (),
) -> None:
    """Print ratios and targets, and write everything where it is wanted.

    Args:
        result: The JSON file; None writes none.
        ratios: What can be compared between machines.
        targets: What was promised.
        details: Everything else.
        devices: GPUs among them are described.
    """
    for name, ratio in ratios.items():
        print(f"{name:<58}  {ratio:8.3g}")
    if targets:
        print(f"\n{'target':<58}  {'':9}  {'measured':>8}  met")
    for target in targets:
        print(target.line())
    if result is None:
        return
    document = {
        "ratios": ratios,
        "targets": [asdict(target) | {"met": target.met} for target in targets],
        "machine": describe_machine(devices),
        "versions": package_versions(),
        "commit": source_commit(),
        **details,
    }
    text = json.dumps(_rounded(document), indent=2)
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(text + "\n", encoding="utf-8")
    print(f"\n{result}")


def _rounded(value: Any) -> Any:  # noqa: ANN401  # any JSON
    """Five figures: more are noise."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, Mapping):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(one) for one in value]
    return value
