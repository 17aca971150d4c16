"""A rule: what must hold of an asset, how grave it is if it does not, and its Dagster check."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from biomass_pipeline.assets import check_result, earlier_metadata
from biomass_pipeline.evaluation import Finding

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
# What the asset's earlier materializations reported, the latest first: no asset has this name.
PAST = "past"


@dataclass(frozen=True)
class Rule:
    """What must hold of an asset.

    Attributes:
        asset: Its name.
        look: Finds out. Its arguments are named like the assets that it reads, and `past`; its name
            is that of the check, and the first line of its docstring says what must hold.
        severity: How grave it is if it does not hold.
        blocking: Whether nothing may be built on the asset then.
    """

    asset: str
    look: Callable[..., Finding]
    severity: dg.AssetCheckSeverity = ERROR
    blocking: bool = False

    @property
    def name(self) -> str:
        """Of the check."""
        return self.look.__name__

    @property
    def reads(self) -> tuple[str, ...]:
        """The assets that it reads."""
        return tuple(name for name in inspect.signature(self.look).parameters if name != PAST)

    def spec(self) -> dg.AssetCheckSpec:
        """The check as Dagster shows it."""
        return dg.AssetCheckSpec(
            self.name,
            asset=self.asset,
            description=(inspect.getdoc(self.look) or "").partition("\n")[0],
            blocking=self.blocking,
            additional_deps=[name for name in self.reads if name != self.asset],
        )

    def result(self, given: Mapping[str, Any]) -> dg.AssetCheckResult:
        """Look, at what was read and what is remembered."""
        wanted = inspect.signature(self.look).parameters
        finding = self.look(**{name: given[name] for name in wanted})
        return check_result(finding, name=self.name, asset=self.asset, severity=self.severity)


def checks_of(rules: Sequence[Rule]) -> list[dg.AssetChecksDefinition]:
    """The rules as Dagster's checks, those of an asset in one step.

    A step costs a process where each step has its own, and the tables are read once.
    """
    assets = dict.fromkeys(rule.asset for rule in rules)
    return [_step(asset, [rule for rule in rules if rule.asset == asset]) for asset in assets]


def _step(asset: str, rules: Sequence[Rule]) -> dg.AssetChecksDefinition:
    reads = dict.fromkeys(name for rule in rules for name in rule.reads)

    @dg.multi_asset_check(
        name=f"{asset}_checks",
        specs=[rule.spec() for rule in rules],
        ins={name: dg.AssetIn(name) for name in reads},
        can_subset=True,
    )
    def look(
        context: dg.AssetCheckExecutionContext,
        **tables: Any,  # noqa: ANN401  # whatever an IO manager gives
    ) -> Iterator[dg.AssetCheckResult]:
        wanted = {key.name for key in context.selected_asset_check_keys}
        # The latest is the materialization that is looked at.
        past = earlier_metadata(context.instance, asset)[1:]
        for rule in rules:
            if rule.name in wanted:
                yield rule.result({**tables, PAST: past})

    return look
