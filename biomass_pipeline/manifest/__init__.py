"""The door: which photos and labels there are, which of them can be trusted, and why not.

Everything from outside becomes a table here, once; rooms further in do not check it again.
Files are listed, hashed and test-decoded; pixels go no further than this room's verdict.
"""

from biomass_pipeline.manifest.cells import Cells, read_cells
from biomass_pipeline.manifest.folder import ImageFile, ImageFolder
from biomass_pipeline.manifest.images import check_quarantine, image_manifest, listing_version
from biomass_pipeline.manifest.labels import label_table, read_labels
from biomass_pipeline.manifest.location import open_location
from biomass_pipeline.manifest.photograph import LoadedPhoto, load_photo
from biomass_pipeline.manifest.proposal import n_groups, propose_data, propose_tiling
from biomass_pipeline.manifest.sheet import LabelSheet

__all__ = [
    "Cells",
    "ImageFile",
    "ImageFolder",
    "LabelSheet",
    "LoadedPhoto",
    "check_quarantine",
    "image_manifest",
    "label_table",
    "listing_version",
    "load_photo",
    "n_groups",
    "open_location",
    "propose_data",
    "propose_tiling",
    "read_cells",
    "read_labels",
]
