"""What pages say of other files is true, and they speak of nothing outside of the project."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from urllib.parse import urlsplit

import pytest
from markdown.extensions.toc import slugify

from biomass_pipeline_tests.docs.pages import ROOT, all_pages, text_of, without_code

# Whose addresses may stand on a page: sources, standards, and makers of what is used.
HOSTS = {
    "arxiv.org",
    "dagster.io",
    "dagster-io.github.io",
    "doi.org",
    "hooks.example.org",
}
# First folders of absolute paths: in containers, and of anybody's project.
FOLDERS = {"artefacts.tar", "backup", "data", "dev", "kaggle", "project", "tmp"}
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def anchors_of(page):
    headings = re.findall(r"(?m)^#+ (.*)$", re.sub(r"(?ms)^```.*?^```$", "", text_of(page)))
    return {slugify(re.sub(r"[`*]", "", heading), "-") for heading in headings}


def broken_links(page, text):
    """The relative links of a page that lead nowhere."""
    for link in LINK.findall(without_code(text)):
        where, _, anchor = link.partition("#")
        if urlsplit(link).scheme:
            continue
        target = ((ROOT / page).parent / where).resolve() if where else ROOT / page
        inside = target.relative_to(ROOT).as_posix()
        if not target.exists() or (anchor and anchor not in anchors_of(inside)):
            yield link


@pytest.mark.parametrize("page", all_pages())
def test_every_link_leads_somewhere(page):
    assert list(broken_links(page, text_of(page))) == []


@pytest.mark.parametrize("page", all_pages())
def test_no_page_names_a_strange_host_or_folder(page):
    text = text_of(page)
    hosts = set(re.findall(r"\b(?:https?|s?ftp)://([\w.-]+\.[a-z]{2,})", text))
    assert hosts <= HOSTS, page
    folders = set(re.findall(r"(?<![\w.:/~)}>*$-])/(\w[\w.-]*)/", text))
    assert folders <= FOLDERS, page


@pytest.mark.parametrize("link", ["docs/nowhere.md", "docs/artefacts.md#nothing", "#nothing"])
def test_a_link_that_leads_nowhere_is_seen(link):
    assert list(broken_links("README.md", f"[a]({link})")) == [link]


def test_the_picture_of_the_graph_is_the_graph():
    path = ROOT / "scripts" / "graph_picture.py"
    spec = spec_from_file_location("graph_picture", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    drawn = (ROOT / "docs" / "images" / "graph.svg").read_text(encoding="utf-8")
    assert drawn == module.picture(), "python scripts/graph_picture.py > docs/images/graph.svg"


def test_every_decision_says_when_and_with_what_consequences():
    decisions = sorted((ROOT / "docs" / "adr").glob("0*.md"))
    for number, path in enumerate(decisions, start=1):
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {number}. "), path.name
        assert re.search(r"(?m)^\| 20\d\d-\d\d-\d\d \| (accepted|superseded by .*) \|$", text), path
        assert re.findall(r"(?m)^## (.*)$", text) == ["Context", "Decision", "Consequences"], path
        assert f"]({path.name})" in text_of("docs/adr/index.md")
