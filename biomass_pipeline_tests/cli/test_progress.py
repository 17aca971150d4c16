"""Bars on a terminal, lines elsewhere; either way the last word is a line that stays."""

import re
from io import StringIO

import pytest
from rich.console import Console

from biomass_pipeline.cli.progress import TerminalReporter, announcer, failure_announcer
from biomass_pipeline.errors import BiomassError
from biomass_pipeline.features import Progress
from biomass_pipeline.mil.progress import TrainingProgress
from biomass_pipeline.orchestration import Node, Step, Verdict


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


def progress(n_photos):
    return Progress(n_photos=n_photos, total_photos=4, n_tiles=n_photos * 2, total_tiles=8)


def reported(*, terminal, pause_s):
    stream, clock = StringIO(), Clock()
    console = Console(file=stream, force_terminal=terminal, width=80, highlight=False)
    reporter = TerminalReporter(console, clock=clock)
    report = reporter.extraction(3)
    for n_photos in (1, 2, 3, 4):
        clock.now_s += pause_s
        report(progress(n_photos))
    return stream.getvalue(), reporter


def test_a_pipe_gets_lines_and_no_control_characters():
    text, _ = reported(terminal=False, pause_s=1.0)
    assert text.splitlines() == ["  fold 3: 4 of 4 photos, 1.0 photos/s, 2 tiles/s, 0 s left"]


def test_slow_work_is_reported_now_and_then():
    text, _ = reported(terminal=False, pause_s=6.0)
    assert [line.split(":")[1].split(" of")[0] for line in text.splitlines()] == [" 2", " 4"]


def test_a_terminal_gets_a_bar_and_then_the_line():
    text, _ = reported(terminal=True, pause_s=1.0)
    assert "\x1b[" in text
    assert "━" in text
    assert "4 of 4 photos, 1.0 photos/s" in text


@pytest.mark.parametrize("terminal", [True, False])
def test_embedded_photos_are_counted(terminal):
    _, reporter = reported(terminal=terminal, pause_s=1.0)
    assert reporter.n_embedded == 4


def test_assets_of_one_reason_are_announced_in_one_line():
    stream = StringIO()
    verdicts = (
        Verdict(Node("patch_index", "1"), missing=True, reasons=("never materialized",)),
        Verdict(Node("feature_cache", "1"), missing=True, reasons=("never materialized",)),
        Verdict(Node("other", "1"), missing=False, reasons=("a changed", "b changed")),
    )
    announcer(Console(file=stream, width=200))(Step("extract", verdicts))
    assert stream.getvalue().splitlines() == [
        "extract fold 1: patch_index, feature_cache (never materialized)",
        "extract fold 1: other (a changed; b changed)",
    ]


def test_what_has_no_fold_is_announced_without_one():
    stream = StringIO()
    verdict = Verdict(Node("report"), missing=True, reasons=("its file is gone",))
    announcer(Console(file=stream, width=200))(Step("evaluate", (verdict,)))
    assert stream.getvalue() == "evaluate: report (its file is gone)\n"


def test_a_bar_that_did_not_end_gives_the_cursor_back_when_closed():
    stream = StringIO()
    console = Console(file=stream, force_terminal=True, width=80)
    reporter = TerminalReporter(console, clock=Clock())
    reporter.extraction(3)(progress(1))
    hidden, shown = "\x1b[?25l", "\x1b[?25h"
    assert stream.getvalue().count(hidden) == 1
    assert shown not in stream.getvalue()
    reporter.close()
    assert stream.getvalue().rindex(shown) > stream.getvalue().rindex(hidden)
    before = stream.getvalue()
    reporter.close()
    assert stream.getvalue() == before


def test_a_long_training_is_reported_now_and_then():
    stream, clock = StringIO(), Clock()
    reporter = TerminalReporter(Console(file=stream, width=200), clock=clock)
    report = reporter.training(2)
    for epoch in range(1, 26):
        clock.now_s += 1.0
        report(TrainingProgress(1, 2, epoch, 25, 3.5))
    start = "  fold 2: network 1 of 2, epoch"
    assert stream.getvalue().splitlines() == [
        f"{start} 10 of at most 25, inner squared error 3.5, at most 40 s left",
        f"{start} 20 of at most 25, inner squared error 3.5, at most 30 s left",
    ]


@pytest.mark.parametrize(
    ("fold", "said"), [("1", "extract fold 1 failed; the others go on\n"), (None, "")]
)
def test_of_a_failed_fold_it_is_said_that_the_others_go_on(fold, said):
    stream = StringIO()
    verdict = Verdict(Node("feature_cache", fold), missing=True, reasons=("never materialized",))
    failure_announcer(Console(file=stream, width=200))(
        Step("extract", (verdict,)), BiomassError("no room")
    )
    assert stream.getvalue() == said


def trained(width, *, n_networks=2):
    """What a terminal shows while the networks of fold 2 are trained."""
    stream, clock = StringIO(), Clock()
    console = Console(file=stream, force_terminal=True, width=width, highlight=False)
    reporter = TerminalReporter(console, clock=clock)
    report = reporter.training(2)
    for epoch in range(1, 5):
        clock.now_s += 0.5
        report(TrainingProgress(1, n_networks, epoch, 100, 3.5))
    reporter._open[0].refresh()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    return [line.strip() for line in re.split(r"[\r\n]+", shown) if line.strip()], reporter


def test_training_is_a_bar_with_rate_and_time_left():
    lines, reporter = trained(80)
    assert lines[-1].startswith("fold 2 ━")
    assert lines[-1].endswith("4/200 epochs, 2.0/s, network 1/2, at most 98 s left")
    reporter.close()
    assert reporter._open == []


@pytest.mark.parametrize("width", [40, 60])
def test_a_narrow_terminal_shows_the_words_below_and_cuts_none(width):
    lines, _ = trained(width)
    assert all(len(line) <= width for line in lines)
    assert not any("…" in line for line in lines)
    assert lines[-1].endswith("left")
    assert "network 1/2, at most 98 s left" in " ".join(lines)


def test_a_run_that_begins_clears_the_bar_of_the_one_before():
    _, reporter = trained(80)
    verdict = Verdict(Node("report"), missing=True, reasons=("its file is gone",))
    announcer(Console(file=StringIO()), before=reporter.close)(Step("evaluate", (verdict,)))
    assert reporter._open == []
