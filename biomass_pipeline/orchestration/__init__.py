"""Dagster: partitions, resources, IO managers, checks, jobs, staleness, and the graph they make."""

from biomass_pipeline.orchestration.exclusion import exclusive, others_at_work
from biomass_pipeline.orchestration.graph import (
    blueprint_of,
    build_definitions,
    build_resources,
)
from biomass_pipeline.orchestration.instance import open_instance
from biomass_pipeline.orchestration.io_managers import InMemory
from biomass_pipeline.orchestration.resources import (
    LogReporter,
    Pace,
    PhotoFolder,
    feature_store,
    progress_line,
    training_line,
)
from biomass_pipeline.orchestration.runs import Graph, Step
from biomass_pipeline.orchestration.staleness import Node, Verdict

__all__ = [
    "Graph",
    "InMemory",
    "LogReporter",
    "Node",
    "Pace",
    "PhotoFolder",
    "Step",
    "Verdict",
    "blueprint_of",
    "build_definitions",
    "build_resources",
    "exclusive",
    "feature_store",
    "open_instance",
    "others_at_work",
    "progress_line",
    "training_line",
]
