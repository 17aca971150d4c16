"""The room's public names are imported when they are asked for, and each leads to its own thing."""

import pkgutil

import pytest

from biomass_pipeline import manifest


@pytest.mark.parametrize("name", manifest.__all__)
def test_every_public_name_is_there(name):
    assert getattr(manifest, name) is not None


def test_no_public_name_is_a_modules():
    """Else it would be the module once that is imported, and what it names before."""
    modules = {module.name for module in pkgutil.iter_modules(manifest.__path__)}
    assert not modules.intersection(manifest.__all__)


def test_another_name_is_an_error():
    with pytest.raises(AttributeError, match="no attribute 'photos'"):
        manifest.photos  # noqa: B018  # asking is the test
