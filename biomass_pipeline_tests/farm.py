"""A farm of tiny photos whose mass can be seen by eye, and a project on it."""

from biomass_pipeline.orchestration import Graph, Node, build_definitions, build_resources
from biomass_pipeline.testing import (
    CountingBackbone,
    MeanColourBackbone,
    TinySurvey,
    write_tiny_survey,
)
from biomass_pipeline.testing.survey import COLUMNS, SETTINGS

__all__ = ["COLUMNS", "SETTINGS", "CountingBackbone", "Farm", "MeanColourBackbone", "build_farm"]

PROTOCOLS = SETTINGS["evaluation"]["protocols"]
Farm = TinySurvey


def build_farm(folder, *, n_sessions=6, per_session=2):
    """Sessions on six dates, two photos each, all different."""
    return write_tiny_survey(folder, n_sessions=n_sessions, photos_per_session=per_session)


def graph_of(project, instance, *, backbone=None, **resources):
    """The project's graph on disk, with the counting backbone in place of the configured one."""
    built = build_resources(project)
    built["backbone"] = backbone or CountingBackbone()
    return Graph(build_definitions(project, resources=built | resources), instance)


def run_all(graph):
    """What runs until everything is up to date, as a set of names."""
    graph.observe()
    return sorted(str(node) for node in graph.run(graph.select(), on_step=lambda _: None))


def every(asset, n_folds=3):
    """The names of an asset's folds."""
    return [str(Node(asset, str(fold))) for fold in range(n_folds)]
