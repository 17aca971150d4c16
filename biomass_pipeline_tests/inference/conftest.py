"""Fields whose tiles explain their labels, as the models' tests have them."""

import shutil
from pathlib import Path

import pytest

from biomass_pipeline.config import DataConfig
from biomass_pipeline.inference.bundle import save_bundle
from biomass_pipeline_tests.inference.meadow import build_meadow
from biomass_pipeline_tests.inference.models import SMALL, untrained_fold
from biomass_pipeline_tests.mil.conftest import make_field


@pytest.fixture(scope="session")
def field():
    return make_field(DataConfig(), 24)


@pytest.fixture(scope="session")
def fold(field):
    return untrained_fold(field, SMALL)


@pytest.fixture(scope="session")
def meadow(tmp_path_factory):
    """Not to be touched."""
    return build_meadow(tmp_path_factory.mktemp("meadow"))


@pytest.fixture(scope="session")
def exported(meadow, tmp_path_factory):
    """The meadow's bundle on disk; not to be touched."""
    folder = tmp_path_factory.mktemp("exported") / "bundle"
    save_bundle(meadow.bundle, folder, card="A card.\n")
    return folder


@pytest.fixture
def copied(exported, tmp_path):
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(exported, tmp_path / "bundle"))
