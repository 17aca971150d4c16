"""The door: which photos and labels there are, which of them can be trusted, and why not.

Everything from outside becomes a table here, once; rooms further in do not check it again.
Files are listed, hashed and test-decoded; what is readable, and how, is decided here alone.
"""

from biomass_pipeline.manifest.arrivals import Difference, Sight, Watch, difference, listing_digest
from biomass_pipeline.manifest.bands import Band, Picture
from biomass_pipeline.manifest.cells import Cells, read_cells
from biomass_pipeline.manifest.damage import naming_damage
from biomass_pipeline.manifest.folder import ImageFile, ImageFolder, image_id
from biomass_pipeline.manifest.images import check_quarantine, image_manifest, listing_version
from biomass_pipeline.manifest.inspection import Inspection, inspect_photo, read_validity
from biomass_pipeline.manifest.labels import label_table, read_labels
from biomass_pipeline.manifest.location import open_location
from biomass_pipeline.manifest.near_duplicates import CERTAIN_BITS, LIKELY_BITS, near_duplicates
from biomass_pipeline.manifest.orientation import Orientation, Window
from biomass_pipeline.manifest.pairing import pair
from biomass_pipeline.manifest.photograph import HeldPhoto, Photo, ReadLimits, open_photo
from biomass_pipeline.manifest.proposal import n_groups, propose_data, propose_tiling
from biomass_pipeline.manifest.refusals import with_refusals
from biomass_pipeline.manifest.settling import Settling
from biomass_pipeline.manifest.sheet import LabelSheet
from biomass_pipeline.manifest.sidecar import recall_stamps

__all__ = [
    "CERTAIN_BITS",
    "LIKELY_BITS",
    "Band",
    "Cells",
    "Difference",
    "HeldPhoto",
    "ImageFile",
    "ImageFolder",
    "Inspection",
    "LabelSheet",
    "Orientation",
    "Photo",
    "Picture",
    "ReadLimits",
    "Settling",
    "Sight",
    "Watch",
    "Window",
    "check_quarantine",
    "difference",
    "image_id",
    "image_manifest",
    "inspect_photo",
    "label_table",
    "listing_digest",
    "listing_version",
    "n_groups",
    "naming_damage",
    "near_duplicates",
    "open_location",
    "open_photo",
    "pair",
    "propose_data",
    "propose_tiling",
    "read_cells",
    "read_labels",
    "read_validity",
    "recall_stamps",
    "with_refusals",
]
