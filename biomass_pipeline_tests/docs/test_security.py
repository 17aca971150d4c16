"""The security page claims nothing without a module that keeps it and a test that watches it."""

import ast
import re

import pytest

from biomass_pipeline_tests.docs.pages import ROOT, text_of

PAGE = "SECURITY.md"
ROW = re.compile(r"(?m)^\| (.+?) \| (?:`(\S+)`|every module) \| `(\S+)::(\w+)` \|$")
REFUSED = text_of(PAGE).partition("## What is refused")[2].partition("## What is not")[0]
ROWS = ROW.findall(REFUSED)


def functions_of(file):
    tree = ast.parse((ROOT / "biomass_pipeline_tests" / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_claim_is_read():
    claims = [line for line in REFUSED.splitlines() if line.startswith("| ") and "---" not in line]
    heads = [line for line in claims if line == "| claim | kept by | test |"]
    assert len(ROWS) == len(claims) - len(heads) > 20


@pytest.mark.parametrize(
    ("claim", "keeper", "file", "test"), ROWS, ids=[f"{row[2]}-{row[3]}" for row in ROWS]
)
def test_every_claim_has_a_keeper_and_a_test(claim, keeper, file, test):
    places = (ROOT / keeper, ROOT / "biomass_pipeline" / keeper)
    assert any(place.exists() for place in places), claim
    assert test in functions_of(file), claim


def test_every_named_page_is_there():
    for name in re.findall(r"`(docs/\S+\.md)`", text_of(PAGE)):
        assert (ROOT / name).exists(), name
