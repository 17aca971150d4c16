from importlib.metadata import version

from biomass_pipeline import __version__
from biomass_pipeline.reporting import package_versions, versions


def test_versions_name_this_package_and_what_decides_results():
    found = package_versions()

    assert found["biomass-pipeline"] == __version__
    assert found["numpy"] == version("numpy")
    assert found["torch"] == version("torch")
    assert all(isinstance(text, str) and text for text in found.values())


def test_a_package_that_is_not_there_is_said_to_be_missing(monkeypatch):
    monkeypatch.setattr(versions, "_PACKAGES", ("no-such-package-anywhere",))

    assert package_versions()["no-such-package-anywhere"] == "not installed"
