"""The door: which photos and labels there are, which of them can be trusted, and why not.

Everything from outside becomes a table here, once; rooms further in do not check it again.
Files are listed, hashed and test-decoded; what is readable, and how, is decided here alone.
What is asked for is imported then: a process that decodes needs neither tables nor file systems.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from biomass_pipeline.manifest.arrivals import (
        Difference,
        Sight,
        Watch,
        difference,
        listing_digest,
    )
    from biomass_pipeline.manifest.bands import Band, Picture, telling
    from biomass_pipeline.manifest.cells import Cells, read_cells
    from biomass_pipeline.manifest.damage import naming_damage
    from biomass_pipeline.manifest.folder import ImageFile, ImageFolder, image_id
    from biomass_pipeline.manifest.images import check_quarantine, image_manifest, listing_version
    from biomass_pipeline.manifest.inspection import Inspection, inspect_photo, read_validity
    from biomass_pipeline.manifest.labels import label_table, read_labels
    from biomass_pipeline.manifest.location import open_location
    from biomass_pipeline.manifest.orientation import Orientation, Window
    from biomass_pipeline.manifest.pairing import pair
    from biomass_pipeline.manifest.photograph import HeldPhoto, Photo, ReadLimits, open_photo
    from biomass_pipeline.manifest.proposal import n_groups, propose_data, propose_tiling
    from biomass_pipeline.manifest.refusals import with_refusals
    from biomass_pipeline.manifest.resemblance import CERTAIN_BITS, LIKELY_BITS, near_duplicates
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
    "telling",
    "with_refusals",
]

_MODULES: Final = {
    "Band": "bands",
    "CERTAIN_BITS": "resemblance",
    "Cells": "cells",
    "Difference": "arrivals",
    "HeldPhoto": "photograph",
    "ImageFile": "folder",
    "ImageFolder": "folder",
    "Inspection": "inspection",
    "LIKELY_BITS": "resemblance",
    "LabelSheet": "sheet",
    "Orientation": "orientation",
    "Photo": "photograph",
    "Picture": "bands",
    "ReadLimits": "photograph",
    "Settling": "settling",
    "Sight": "arrivals",
    "Watch": "arrivals",
    "Window": "orientation",
    "check_quarantine": "images",
    "difference": "arrivals",
    "image_id": "folder",
    "image_manifest": "images",
    "inspect_photo": "inspection",
    "label_table": "labels",
    "listing_digest": "arrivals",
    "listing_version": "images",
    "n_groups": "proposal",
    "naming_damage": "damage",
    "near_duplicates": "resemblance",
    "open_location": "location",
    "open_photo": "photograph",
    "pair": "pairing",
    "propose_data": "proposal",
    "propose_tiling": "proposal",
    "read_cells": "cells",
    "read_labels": "labels",
    "read_validity": "inspection",
    "recall_stamps": "sidecar",
    "telling": "bands",
    "with_refusals": "refusals",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401  # any public name
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    found = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found
