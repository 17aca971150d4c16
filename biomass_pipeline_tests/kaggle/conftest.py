"""A competition and the tree that it is attached to."""

import pytest

from biomass_pipeline.kaggle.tree import Tree
from biomass_pipeline_tests.kaggle.grass import build_competition


@pytest.fixture(scope="session")
def competition(tmp_path_factory):
    """Not to be touched."""
    return build_competition(tmp_path_factory.mktemp("competition"))


@pytest.fixture
def tree(tmp_path):
    """An empty tree, laid out as Kaggle's."""
    tree = Tree(tmp_path / "kaggle")
    tree.input.mkdir(parents=True)
    tree.working.mkdir()
    return tree
