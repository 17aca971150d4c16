"""The feature cache, written whole, stamped, strangers refused. Only this room opens HDF5."""

from biomass_pipeline.store.bags import FeatureSet
from biomass_pipeline.store.cache import FeatureCache, describe, open_cache
from biomass_pipeline.store.contents import FoldContents, Quarantined, Stamp
from biomass_pipeline.store.filling import Embedder
from biomass_pipeline.store.folder import Cache, FeatureFolder, Written
from biomass_pipeline.store.formats import (
    FORMATS,
    ExportedCache,
    ExportedFeatures,
    Parcel,
    PlainFeatures,
    Record,
    export_folds,
    exported_parts,
    holds_plain_features,
    import_parcel,
    open_part,
)
from biomass_pipeline.store.growth import Growth, PartialView, growing, open_partial
from biomass_pipeline.store.inspection import Damage, Inspection
from biomass_pipeline.store.locks import (
    acquire_lock,
    holder_of,
    is_locked,
    sign_lock,
    signed_by,
    waiting_lock,
)
from biomass_pipeline.store.memory import MemoryCache, MemoryFeatures
from biomass_pipeline.store.naming import all_cache_files, fold_of, part_name
from biomass_pipeline.store.partial import Block
from biomass_pipeline.store.pruning import Leftover, delete, leftovers

__all__ = [
    "FORMATS",
    "Block",
    "Cache",
    "Damage",
    "Embedder",
    "ExportedCache",
    "ExportedFeatures",
    "FeatureCache",
    "FeatureFolder",
    "FeatureSet",
    "FoldContents",
    "Growth",
    "Inspection",
    "Leftover",
    "MemoryCache",
    "MemoryFeatures",
    "Parcel",
    "PartialView",
    "PlainFeatures",
    "Quarantined",
    "Record",
    "Stamp",
    "Written",
    "acquire_lock",
    "all_cache_files",
    "delete",
    "describe",
    "export_folds",
    "exported_parts",
    "fold_of",
    "growing",
    "holder_of",
    "holds_plain_features",
    "import_parcel",
    "is_locked",
    "leftovers",
    "open_cache",
    "open_part",
    "open_partial",
    "part_name",
    "sign_lock",
    "signed_by",
    "waiting_lock",
]
