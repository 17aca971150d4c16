"""Photos with a known truth, for tests and the demo: planned, drawn, weighed and written here."""

from biomass_pipeline.synthetic.folder import truth_cell_px, write_photos
from biomass_pipeline.synthetic.spec import COMPONENTS, SyntheticSpec

__all__ = ["COMPONENTS", "SyntheticSpec", "truth_cell_px", "write_photos"]
