"""The feature cache, written whole, stamped, strangers refused. Only this room opens HDF5."""

from biomass_pipeline.store.bags import FeatureSet
from biomass_pipeline.store.cache import FeatureCache, describe, open_cache
from biomass_pipeline.store.contents import FoldContents, Stamp
from biomass_pipeline.store.folder import Cache, Embedder, FeatureFolder, MemoryFeatures, Written

__all__ = [
    "Cache",
    "Embedder",
    "FeatureCache",
    "FeatureFolder",
    "FeatureSet",
    "FoldContents",
    "MemoryFeatures",
    "Stamp",
    "Written",
    "describe",
    "open_cache",
]
