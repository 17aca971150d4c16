"""What people read holds names of others as text, and no secret of ours."""

import re

import markdown
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import parse_config, presentable
from biomass_pipeline.errors import (
    MissingInputError,
    UnreachableLocationError,
    UnreadableFolderError,
)
from biomass_pipeline.plain import markdown_cell, markdown_sentence, without_secrets
from biomass_pipeline.project import Project

NAMES = st.text(alphabet="|`*[]()!<>&\\\n\r\u2028~a\"'/:x ", max_size=24)
NASTY = [
    "![x](https://example.org/seen.png)",
    "[x](javascript:alert)",
    "\\[x](y)",
    "\\![x](y)",
    "`[x](y)",
    "<img src=x onerror=alert>",
    "&lt;script>",
    "a|b\nc|d",
    "[a]: https://example.org\n[a]",
]


def shown(text):
    """As a reader of Markdown shows it."""
    return markdown.markdown(text, extensions=["tables"])


@given(NAMES)
def test_a_cell_is_one_cell_and_nothing_but_text(name):
    page = shown(f"| a | b |\n| --- | --- |\n| {markdown_cell(name)} | {markdown_cell(name)} |")
    assert set(re.findall(r"<(\w+)", page)) <= {"table", "thead", "tbody", "tr", "th", "td"}
    assert page.count("<td>") == 2


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("told", ["{}", "`{}` is odd.", "Is {} odd?"])
def test_a_sentence_may_show_code_but_no_link_picture_or_html(told, name):
    page = shown(f"- {markdown_sentence(told.format(name))}")
    assert set(re.findall(r"<(\w+)", page)) <= {"ul", "li", "code", "p"}


@given(NAMES)
def test_a_sentence_is_one_line_without_links(name):
    line = markdown_sentence(f"`a` {name}")
    assert len(line.splitlines()) == 1
    assert not re.search(r"<(a|img|table)\b", shown(f"- {line}"))


def test_code_in_a_sentence_stays_code():
    assert markdown_sentence("Set `data.images`.") == "Set `data.images`."


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("sftp://me:pa55@farm.example/photos", "sftp://***@farm.example/photos"),
        ("https://farm.example/a?sig=pa55&x=1", "https://farm.example/a?***"),
        ("s3://bucket/photos/*.jpg", "s3://bucket/photos/*.jpg"),
        ("plots/a@b?.jpg", "plots/a@b?.jpg"),
    ],
)
def test_a_location_is_told_without_its_login(location, told):
    assert without_secrets(location) == told


@pytest.mark.parametrize(
    "error",
    [
        lambda where: MissingInputError("photo folder", where, option="data.images"),
        lambda where: UnreachableLocationError(where, "no such protocol"),
        lambda where: UnreadableFolderError(where, "denied"),
    ],
    ids=["missing", "unreachable", "unreadable"],
)
def test_errors_about_a_location_keep_its_login(error):
    told = str(error("sftp://me:pa55@farm.example/photos"))
    assert "pa55" not in told
    assert "farm.example/photos" in told


def test_a_configuration_is_shown_without_its_secrets():
    config = parse_config(
        {
            "data": {"images": "sftp://me:pa55@farm.example/photos"},
            "tuning": {"storage": "postgresql://me:pa55@farm.example/studies"},
            "automation": {"notify": {"webhook": "https://hooks.example.org/pa55"}},
        },
        source="test",
    )
    found = presentable(config)
    assert "pa55" not in str(found)
    assert found["automation"]["notify"]["webhook"] == "***"
    assert found["tuning"]["storage"] == "postgresql://***@farm.example/studies"
    assert {**found, "automation": 0, "data": 0, "tuning": 0} == {
        **config.model_dump(mode="json"), "automation": 0, "data": 0, "tuning": 0
    }  # fmt: skip


def test_a_project_is_logged_without_its_environment():
    assert "pa55" not in repr(Project.open(None, environment={"BIOMASS_SMTP_PASSWORD": "pa55"}))
