"""What `workspace.yaml` loads: the graph of `BIOMASS_CONFIG`, `biomass.yaml` or the demo."""

from biomass_pipeline.orchestration import build_definitions
from biomass_pipeline.project import Project

defs = build_definitions(Project.open())
