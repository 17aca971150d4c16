"""Asset checks: what must hold of a table before anything is trained or reported on it.

Those of `patch_index` and `feature_cache` are in their assets: only there a check follows the
partition of its run.
"""

import dagster as dg

from biomass_pipeline.config import Config
from biomass_pipeline.orchestration.checks.door import door_rules
from biomass_pipeline.orchestration.checks.folds import fold_rules
from biomass_pipeline.orchestration.checks.held_out import held_out_rules
from biomass_pipeline.orchestration.checks.newcomers import newcomer_rules
from biomass_pipeline.orchestration.checks.rules import Rule, checks_of
from biomass_pipeline.orchestration.checks.scores import score_rules

__all__ = ["Rule", "build_checks", "rules_of"]


def rules_of(config: Config) -> list[Rule]:
    """All rules of a project, in the order of the graph."""
    return [
        *door_rules(config.data),
        *fold_rules(config),
        *held_out_rules(config),
        *score_rules(),
        *newcomer_rules(config),
    ]


def build_checks(config: Config) -> list[dg.AssetChecksDefinition]:
    """The checks of one project."""
    return checks_of(rules_of(config))
