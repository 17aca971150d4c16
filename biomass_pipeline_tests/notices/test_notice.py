"""A notice reads the same everywhere, and the log takes it at its level."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.notices import LogChannel, Notice

texts = st.text(st.characters(codec=None), max_size=30)


@given(title=texts, lines=st.lists(texts, max_size=3))
def test_a_headline_is_one_line_and_every_text_can_be_encoded(title, lines):
    notice = Notice(title, tuple(lines))
    assert len(notice.headline.splitlines()) <= 1
    assert notice.text.encode().decode().startswith(notice.headline)


@pytest.mark.parametrize(
    ("level", "number"),
    [("info", logging.INFO), ("warning", logging.WARNING), ("error", logging.ERROR)],
)
def test_the_log_takes_it_at_its_level(caplog, level, number):
    caplog.set_level(logging.INFO)
    LogChannel(logging.getLogger("told")).send(Notice("100 % told", ("why",), level))
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (number, "100 % told\nwhy")
