"""Tables keep every character, on a terminal and in a pipe."""

import re
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from biomass_pipeline.cli.terminal import open_console, say, show_error, show_table

WORDS = st.text("abcdefghij-/", min_size=1, max_size=120)


def printed(*, terminal, show, width=80):
    stream = StringIO()
    show(Console(file=stream, force_terminal=terminal, width=width, soft_wrap=True, no_color=True))
    return stream.getvalue()


def letters(text):
    return "".join(sorted(c for c in text if c in "abcdefghij-/"))


@given(rows=st.lists(st.lists(WORDS, min_size=3, max_size=3), min_size=1, max_size=4))
def test_no_cell_is_cut_at_eighty_columns(rows):
    def show(console):
        show_table(console, "", columns=["X", "Y", "Z"], rows=rows)

    whole = letters("".join(map("".join, rows)))
    assert letters(printed(terminal=True, show=show)) == whole
    assert letters(printed(terminal=False, show=show)) == whole


@given(rows=st.lists(st.lists(WORDS, min_size=2, max_size=2), min_size=1, max_size=4))
def test_a_pipe_gets_one_line_a_row_without_boxes(rows):
    def show(console):
        show_table(console, "title", columns=["X", "Y"], rows=rows)

    lines = printed(terminal=False, show=show).splitlines()
    assert len(lines) == len(rows) + 2
    assert [line.split() for line in lines[2:]] == rows


def test_numbers_stand_to_the_right():
    def show(console):
        show_table(console, "t", columns=["name", "score"], rows=[["a", "1.0"]], numbers=True)

    assert printed(terminal=False, show=show).splitlines()[2] == "a       1.0"


def test_a_cell_of_several_lines_is_one_line_in_a_pipe():
    def show(console):
        show_table(console, "t", columns=["what"], rows=[["two\n  lines"]])

    assert printed(terminal=False, show=show).splitlines()[2] == "two lines"


def test_states_are_coloured_on_a_terminal_only():
    def show(console):
        show_table(console, "t", columns=["state"], rows=[["wrong"]])

    stream = StringIO()
    show(Console(file=stream, force_terminal=True, color_system="standard"))
    assert "\x1b[31mwrong" in stream.getvalue()
    assert "\x1b[" not in printed(terminal=False, show=show)


def test_an_error_is_wrapped_between_words_and_its_path_is_whole():
    path = "/a/very/long/path" * 8
    message = f"There is nothing at {path}. " + "Do this and that. " * 8
    text = printed(terminal=True, show=lambda console: show_error(console, message))
    assert path in text
    assert all(len(line) <= 80 or path in line for line in text.splitlines())
    piped = printed(terminal=False, show=lambda console: show_error(console, message))
    assert len(piped.splitlines()) == 1


@pytest.mark.parametrize("stderr", [True, False])
def test_markup_in_a_path_is_text(capsys, stderr):
    show_error(open_console(stderr=stderr), "no file [red]x[/red]")
    seen = capsys.readouterr()
    assert "[red]x[/red]" in (seen.err if stderr else seen.out)


@pytest.mark.parametrize(("width", "stacked"), [(40, True), (80, False)])
def test_a_table_too_wide_for_its_words_is_told_row_by_row(width, stacked):
    stream = StringIO()
    console = Console(file=stream, force_terminal=True, width=width, highlight=False)
    columns = ["score", "before (auto)", "after (auto)", "difference", "p"]
    show_table(console, "R2", columns=columns, rows=[["global R2", *["+0.123"] * 4]], numbers=True)
    shown = stream.getvalue()
    assert ("  before (auto): +0.123\n" in shown) is stacked
    assert ("╭" in shown) is not stacked
    assert shown.count("+0.123") == 4


def test_a_line_is_wrapped_between_words_on_a_terminal_and_whole_elsewhere():
    line = "extract fold 0: patch_index, feature_cache (never materialized)"
    for terminal in (True, False):
        said = printed(terminal=terminal, width=40, show=lambda console: say(console, line))
        lines = re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines()
        assert " ".join(part.strip() for part in lines) == line
        assert (len(lines) > 1) is terminal
