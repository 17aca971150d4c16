"""What `workspace.yaml` loads: the graph of `BIOMASS_CONFIG`, `biomass.yaml` or the demo."""

from biomass_pipeline.startup import lasting

# Every run of a server is a process that begins here.
with lasting():
    from biomass_pipeline.orchestration import build_definitions, build_resources
    from biomass_pipeline.orchestration.connections import keep_connections
    from biomass_pipeline.project import Project

    keep_connections()
    _project = Project.open()

    # Nobody watches these runs: what is still being written is left alone.
    defs = build_definitions(_project, resources=build_resources(_project, settle=True))
