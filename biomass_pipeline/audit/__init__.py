"""Whether a project is whole: every artefact held against its stamp, and against the others.

What may live here: what reads artefacts to judge them. Nothing here writes, not even a lock.
"""

from biomass_pipeline.audit.caches import FoldState, Mend, fold_contents, fold_state, fold_states
from biomass_pipeline.audit.condition import Condition, State
from biomass_pipeline.audit.inspection import audit_project

__all__ = [
    "Condition",
    "FoldState",
    "Mend",
    "State",
    "audit_project",
    "fold_contents",
    "fold_state",
    "fold_states",
]
