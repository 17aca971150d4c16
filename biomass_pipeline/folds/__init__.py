"""Which photos are held out together: groups to folds, once and for good.

Tables in, tables out. Where the ledger is kept is the caller's business.
"""

from biomass_pipeline.folds.assignment import FoldAssignment, assign_folds

__all__ = ["FoldAssignment", "assign_folds"]
