"""The site is built strictly, and whoever opens it without a network lacks nothing."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from biomass_pipeline_tests.docs.pages import DOCS, ROOT

# What a browser fetches by itself; a link waits for somebody to click it.
FETCHED = {
    "audio": "src",
    "embed": "src",
    "iframe": "src",
    "img": "src",
    "link": "href",
    "object": "data",
    "script": "src",
    "source": "src",
    "video": "src",
}
NEVER_FETCHED = {"canonical", "next", "prev"}
# The theme loads these from elsewhere as soon as a page has an element of the class.
FETCHED_BY_THE_THEME = {"mermaid", "arithmatex"}


class Fetches(HTMLParser):
    """Collects what a page asks for by itself."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        given = {name: value or "" for name, value in attributes}
        if tag in FETCHED and given.get("rel") not in NEVER_FETCHED:
            self.found.append(given.get(FETCHED[tag], ""))
        self.found += re.findall(r"url\(([^)]*)\)", given.get("style", ""))
        self.found += FETCHED_BY_THE_THEME & set(given.get("class", "").split())


def fetched_by(html):
    parser = Fetches()
    parser.feed(html)
    return [each for each in parser.found if re.match(r"\w+:(?!image/)|//|mermaid|arith", each)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The whole site, built as `make docs` does; a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    built = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.mark.slow
def test_every_page_is_on_the_site_without_a_warning(site):
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS).with_suffix("")
        folder = name.parent if name.name == "index" else name
        assert (site / folder / "index.html").exists(), page


@pytest.mark.slow
def test_the_site_fetches_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        assert fetched_by(page.read_text(encoding="utf-8")) == [], page
    for sheet in site.rglob("*.css"):
        found = re.findall(r"url\(\"?([^)]*)\)|@import", sheet.read_text(encoding="utf-8"))
        assert [each for each in found if re.match(r"http|//", each)] == [], sheet


@pytest.mark.slow
def test_docstrings_of_the_public_names_are_on_the_site(site):
    text = (site / "reference" / "api" / "scoring" / "index.html").read_text(encoding="utf-8")
    assert 'id="biomass_pipeline.scoring.weighted_r2"' in text
    assert "Parameters:" in text
    assert "Raises:" in text


@pytest.mark.slow
def test_a_sentence_of_a_docstring_is_not_taken_for_a_type(site):
    for page in (site / "reference" / "api").rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for section in re.findall(r"(?s)(?:Returns|Yields):</span></p>\s*<ul>(.*?)</ul>", text):
            kind = re.sub(r"<[^>]+>", "", section).split("\u2013")[0].strip()
            assert re.fullmatch(r"[\w\[\], |.]{1,60}", kind), f"{page}: {kind}"


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://elsewhere.example/a.js"></script>',
        '<link rel="stylesheet" href="//elsewhere.example/a.css">',
        '<img src="http://elsewhere.example/a.png">',
        '<p style="background: url(https://elsewhere.example/a.png)">',
        '<pre class="mermaid"><code>a</code></pre>',
    ],
)
def test_what_would_be_fetched_is_seen(html):
    assert fetched_by(html)


@pytest.mark.parametrize(
    "html", ['<a href="https://elsewhere.example">', '<img src="data:image/png;base64,">', "<p>"]
)
def test_a_link_is_not_fetched(html):
    assert fetched_by(html) == []
