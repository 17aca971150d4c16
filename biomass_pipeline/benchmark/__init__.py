"""What this machine can do: decode, matrix products, backbones, the pipeline, the cache.

Measurements only, each a small function that gives a record; comparisons are ratios taken in one
run, in turn. Nothing here is drawn or printed, and torch is imported when a network is measured.
"""

from biomass_pipeline.benchmark.folder_load import folder_load
from biomass_pipeline.benchmark.machine import describe_machine, package_versions, source_commit
from biomass_pipeline.benchmark.plan import Plan, named_backbone
from biomass_pipeline.benchmark.records import (
    Benchmark,
    CacheRates,
    DecodeRate,
    FolderLoad,
    ModelRates,
    PrecisionRate,
    as_json,
)
from biomass_pipeline.benchmark.session import measure
from biomass_pipeline.benchmark.timing import Effort, fastest

__all__ = [
    "Benchmark",
    "CacheRates",
    "DecodeRate",
    "Effort",
    "FolderLoad",
    "ModelRates",
    "Plan",
    "PrecisionRate",
    "as_json",
    "describe_machine",
    "fastest",
    "folder_load",
    "measure",
    "named_backbone",
    "package_versions",
    "source_commit",
]
