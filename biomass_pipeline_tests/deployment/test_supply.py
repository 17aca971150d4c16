"""What the product brings along: which licences fit, and a bill of materials without addresses."""

import importlib
import sys
from importlib import metadata

import pytest

from biomass_pipeline_tests.serving import REPOSITORY_ROOT


@pytest.fixture(scope="module", autouse=True)
def _scripts():
    """Scripts are no package: they find each other as they do when one is run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY_ROOT / "scripts"))
        yield
        for name in ("licences", "sbom"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def licences():
    return importlib.import_module("licences")


@pytest.fixture(scope="module")
def packages(licences):
    return {package.name: package for package in licences.packages()}


def test_everything_that_is_installed_fits(packages):
    assert [package for package in packages.values() if not package.fits] == []


def test_what_is_needed_by_what_is_needed_is_there_and_what_tests_is_not(packages):
    assert {"dagster", "torch", "pyvips-binary", "sqlalchemy"} <= set(packages)
    assert packages["torch"].direct
    assert not packages["pyvips-binary"].direct
    assert not {"pytest", "ruff", "mkdocs", "biomass-pipeline"} & set(packages)


@pytest.mark.parametrize(
    "licence",
    ["", "GPL-3.0-only", "AGPL-3.0-or-later", "LGPL-3.0-or-later", "MIT AND GPL-2.0-only"],
)
def test_what_is_unknown_or_binds_our_own_code_is_refused(licences, licence):
    assert licences.judged("somebody's", licence) == ""


@pytest.mark.parametrize("licence", ["MIT", "Apache-2.0 AND MIT", "GPL-2.0-only OR BSD-3-Clause"])
def test_what_is_permissive_fits_and_of_two_one_is_chosen(licences, licence):
    assert licences.judged("somebody's", licence) == "permissive"


def test_a_judgement_is_of_the_licence_that_was_looked_at(licences):
    assert "libvips" in licences.judged("pyvips-binary", "LGPL-3.0-or-later")
    assert licences.judged("pyvips-binary", "GPL-3.0-or-later") == ""
    assert licences.judged("another", "LGPL-3.0-or-later") == ""


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("License-Expression: MIT", "MIT"),
        ("License: BSD 3-Clause License", "BSD-3-Clause"),
        (
            "License: Dual License\nClassifier: License :: OSI Approved :: BSD License",
            "BSD-3-Clause",
        ),
        ("License: GPL-3.0", ""),
        ("Classifier: License :: OSI Approved", ""),
        ("Summary: nothing", ""),
    ],
)
def test_metadata_of_any_age_are_read(licences, tmp_path, lines, expected):
    folder = tmp_path / "one-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: one\nVersion: 1\n{lines}\n")
    assert licences.licence_of("one", metadata.Distribution.at(folder)) == expected


def test_the_table_names_each_package_and_marks_what_is_required_directly(licences, packages):
    page = licences.page(packages.values())
    assert "| **torch** |" in page
    assert "| pyvips-binary | LGPL-3.0-or-later | libvips" in page


def test_a_bill_of_materials_holds_the_product_and_no_address():
    part = {"name": "Torch", "bom-ref": "t", "externalReferences": [{"url": "file:///home/me"}]}
    tool = {"name": "pytest", "bom-ref": "p"}
    bill = {
        "metadata": {
            "component": {"name": "biomass-pipeline", "bom-ref": "root"},
            "tools": {"components": [{"name": "a tool", "externalReferences": [{}]}]},
        },
        "components": [part, tool],
        "dependencies": [{"ref": "root", "dependsOn": ["t", "p"]}, {"ref": "p"}, {"ref": "t"}],
    }
    found = importlib.import_module("sbom").ours(bill, {"torch"})
    assert found["components"] == [{"name": "Torch", "bom-ref": "t"}]
    assert found["dependencies"] == [
        {"ref": "root", "dependsOn": ["t"]},
        {"ref": "t", "dependsOn": []},
    ]
    assert "externalReferences" not in str(found)
