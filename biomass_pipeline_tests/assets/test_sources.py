"""The sources by hand: their version is what the seam says, read at each look."""

import dagster as dg
import pytest

from biomass_pipeline.assets import Settings
from biomass_pipeline.assets.sources import source_assets
from biomass_pipeline.config import Config, TrainingConfig


class Now:
    """A configuration that is edited while the graph stays loaded."""

    def __init__(self):
        self.config = Config()

    def load(self):
        return self.config

    def device(self):
        return "cpu"


class Seen:
    """Photos or labels of one version."""

    def __init__(self, version):
        self.seen = version

    def version(self):
        return self.seen


def observed(**resources):
    """The version of each source, as an observation records it."""
    with dg.DagsterInstance.ephemeral() as instance:
        sources = source_assets()
        names = [source.key.to_user_string() for source in sources]
        observe = dg.define_asset_job("observe", selection=names)
        defs = dg.Definitions(assets=sources, resources=resources, jobs=[observe])
        assert defs.resolve_job_def("observe").execute_in_process(instance=instance).success
        return {
            source.key.to_user_string(): tags_of(instance, source.key)["dagster/data_version"]
            for source in sources
        }


def tags_of(instance, key):
    (record,) = instance.fetch_observations(key, limit=1).records
    return record.asset_observation.tags


@pytest.fixture
def seams():
    return {"photos": Seen("p1"), "labels": Seen("l1"), "settings": Now()}


def test_each_source_reports_its_own_seam(seams):
    before = observed(**seams)
    assert (before["raw_images"], before["raw_labels"]) == ("p1", "l1")
    seams["photos"].seen = "p2"
    after = observed(**seams)
    assert {name for name in before if before[name] != after[name]} == {"raw_images"}


def test_an_edited_training_section_needs_no_reload(seams):
    before = observed(**seams)
    edited = TrainingConfig(epochs=7)
    seams["settings"].config = Config(training=edited)
    after = observed(**seams)
    assert {name for name in before if before[name] != after[name]} == {"training_config"}


def test_another_section_leaves_the_training_version(seams):
    before = observed(**seams)
    seams["settings"].config = Config(name="other")
    assert observed(**seams) == before


def test_the_fake_is_what_the_seam_wants(seams):
    settings: Settings = seams["settings"]
    assert settings.device() == "cpu"


def test_every_source_says_what_it_is():
    # Dagster does not take a source's docstring.
    assert all(source.description.endswith(".") for source in source_assets())
