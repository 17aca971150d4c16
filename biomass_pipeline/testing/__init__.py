"""For those who test assets of their own on top of ours: stores in memory, fakes, tiny surveys.

    project = tiny_project(tmp_path)
    project.put("oof_predictions", table)
    project.materialize(my_asset)
    assert project.read("my_asset") == ...

What may live here: what a test needs and nothing else does.
"""

from biomass_pipeline.orchestration import InMemory
from biomass_pipeline.testing.fakes import CountingBackbone, FixedClock, MeanColourBackbone
from biomass_pipeline.testing.project import MemoryProject, tiny_project
from biomass_pipeline.testing.survey import TinySurvey, write_tiny_survey

__all__ = [
    "CountingBackbone",
    "FixedClock",
    "InMemory",
    "MeanColourBackbone",
    "MemoryProject",
    "TinySurvey",
    "tiny_project",
    "write_tiny_survey",
]
