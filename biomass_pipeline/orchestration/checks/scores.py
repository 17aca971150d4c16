"""What must hold of the scores."""

from collections.abc import Mapping, Sequence
from typing import Any

from biomass_pipeline.evaluation import Finding, check_coverage, check_floor, check_standing
from biomass_pipeline.orchestration.checks.rules import WARN, Rule


def score_rules() -> list[Rule]:
    """Of `evaluation`."""

    def model_beats_the_floor(evaluation: Mapping[str, Any]) -> Finding:
        """The model in use scores above the constant by more than chance in the groups."""
        return check_floor(evaluation)

    def score_holds_against_last_time(
        evaluation: Mapping[str, Any], past: Sequence[Mapping[str, Any]]
    ) -> Finding:
        """The score is not below the interval of the previous evaluation."""
        return check_standing(evaluation, past)

    def intervals_keep_their_promise(evaluation: Mapping[str, Any]) -> Finding:
        """Intervals hold as many labels as they promise, but for chance in the groups."""
        return check_coverage(evaluation)

    return [
        Rule("evaluation", model_beats_the_floor, WARN),
        Rule("evaluation", score_holds_against_last_time, WARN),
        Rule("evaluation", intervals_keep_their_promise, WARN),
    ]
