"""A fold's features in other formats, out and in: each by its own library, none with a pickle.

An export is a folder: for each fold a record, `fold_<k>.json`, and beside it the format's own files
`fold_<k>.*`. The record says what everything else must look like, so nothing is read on trust.
"""

from biomass_pipeline.store.formats.exported import ExportedCache, ExportedFeatures
from biomass_pipeline.store.formats.exporting import export_folds
from biomass_pipeline.store.formats.folder import Part, exported_parts, open_part
from biomass_pipeline.store.formats.importing import import_parcel
from biomass_pipeline.store.formats.parcel import Parcel
from biomass_pipeline.store.formats.plain import PlainFeatures, holds_plain_features
from biomass_pipeline.store.formats.record import Record
from biomass_pipeline.store.formats.registry import FORMATS

__all__ = [
    "FORMATS",
    "ExportedCache",
    "ExportedFeatures",
    "Parcel",
    "Part",
    "PlainFeatures",
    "Record",
    "export_folds",
    "exported_parts",
    "holds_plain_features",
    "import_parcel",
    "open_part",
]
