"""Who does what the pages say, one block after another, gets there.

The README comes first, on photos that nothing ran on; every other page begins where it ends.
"""

import inspect

import pandas as pd
import pytest

from biomass_pipeline_tests.docs.conftest import walk
from biomass_pipeline_tests.docs.pages import all_pages, fences_of, named_on
from biomass_pipeline_tests.docs.scenes import SCENES

# Each verb has its examples here, with files of their own: they are read, not run.
READ = {"docs/cli.md"}
PYTHON = [
    page
    for page in all_pages()
    if page not in SCENES
    and any(fence.language == "python" and not fence.reason for fence in fences_of(page))
]


@pytest.fixture(scope="module")
def finished(field):
    """The farm after the README."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(field)
        walk(fences_of("README.md"), names={})
    return field


@pytest.mark.slow
def test_the_readme_alone_leads_to_a_report_and_predictions(finished):
    assert (finished / "data" / "field" / "report" / "report.html").stat().st_size > 0
    assert pd.read_csv(finished / "out.csv")["image_id"].nunique() == 2


@pytest.mark.slow
@pytest.mark.parametrize("page", SCENES)
def test_a_guide_works_command_by_command(page, copied):
    if (scene := SCENES[page]) is not None:
        scene(copied)
    walk(fences_of(page), names={})


def test_no_page_with_commands_is_left_out():
    commanding = {
        page
        for page in all_pages()
        for fence in fences_of(page)
        if fence.language in {"sh", "console"}
        if not fence.reason and any(each.startswith("biomass ") for each in fence.commands)
    }
    assert commanding - {"README.md", *READ} == set(SCENES)


@pytest.mark.slow
@pytest.mark.parametrize("page", PYTHON)
def test_python_on_a_page_runs(page, copied, tmp_path):
    names = {}
    walk([fence for fence in fences_of(page) if fence.language == "python"], names=names)
    for name, test in list(names.items()):
        if name.startswith("test_") and inspect.isfunction(test):
            here = tmp_path / name
            here.mkdir()
            test(**dict.fromkeys(inspect.signature(test).parameters, here))


def test_no_page_with_python_is_left_out():
    assert {"docs/testing.md", "docs/how-to/read-the-cache.md"} <= set(PYTHON)


@pytest.mark.slow
def test_every_column_of_a_table_is_on_the_page_of_artefacts_or_of_predictions(finished):
    named = named_on("docs/artefacts.md") | named_on("docs/inference.md")
    metadata = {"date", "mass_g"}  # the survey's own columns
    for path in sorted((finished / "data" / "field").rglob("*.parquet")):
        if not path.name.startswith("."):
            lacking = set(pd.read_parquet(path).columns) - named - metadata
            assert not lacking, f"{path.name}: {lacking}"
