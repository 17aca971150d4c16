"""A step that says nothing for a while says that it still works; one that talks is left alone."""

import logging
import threading
import time
from itertools import pairwise

import dagster as dg
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.orchestration.signs import Heart, signs_of_life


class Clock:
    """A clock that a test sets."""

    now_s = 0.0

    def __call__(self):
        return self.now_s


@given(st.lists(st.floats(0.1, 99), max_size=20), st.floats(3, 60))
def test_no_silence_is_much_longer_than_allowed_and_no_line_comes_early(heard, quiet_s):
    """Beats come when the heart asked for one; whatever is heard in between puts it off."""
    clock, lines = Clock(), []
    heart = Heart(lambda _: lines.append(clock.now_s), quiet_s=quiet_s, clock=clock)
    heard_s = sorted(heard)
    while clock.now_s < 100:
        next_s = clock.now_s + heart.beat()
        for at_s in [s for s in heard_s if clock.now_s < s <= next_s]:
            clock.now_s = at_s
            heart.hear()
        clock.now_s = next_s
    said = sorted([0.0, *lines, *heard_s])
    gaps = [b - a for a, b in pairwise(said)]
    assert all(gap <= quiet_s * 1.01 + 1e-6 for gap in gaps)
    for line in lines:
        assert not [s for s in (0.0, *lines, *heard_s) if line - quiet_s * (1 - 1e-6) < s < line]


def test_the_line_says_how_long():
    clock, lines = Clock(), []
    heart = Heart(lines.append, quiet_s=60, clock=clock)
    for clock.now_s in (60, 119, 125, 200, 600):
        heart.beat()
    assert lines == [
        "still at work after 60 s",
        "still at work after 2 min",
        "still at work after 3 min",
        "still at work after 10 min",
    ]


def silent(*, seconds, talks_every_s=None):
    """The lines in the log of a run whose step takes a while."""

    @dg.asset
    def probe() -> None:
        with signs_of_life(quiet_s=0.2):
            end_s = time.monotonic() + seconds
            while time.monotonic() < end_s:
                time.sleep(talks_every_s or seconds)
                if talks_every_s:
                    logging.getLogger("biomass_pipeline.mil").warning("an epoch")

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([probe], instance=instance)
        return [entry.user_message for entry in instance.all_logs(result.run_id)]


def test_a_silent_step_shows_in_its_runs_log_that_it_lives():
    lines = [line for line in silent(seconds=0.9) if "still at work" in line]
    assert 2 <= len(lines) <= 4


def test_one_that_talks_is_left_alone():
    assert not [line for line in silent(seconds=0.6, talks_every_s=0.05) if "at work" in line]


def test_no_thread_and_no_listener_stays():
    loggers = [logging.getLogger("biomass_pipeline"), dg.get_dagster_logger()]
    before = [list(logger.handlers) for logger in loggers]
    with signs_of_life(quiet_s=60):
        assert [t for t in threading.enumerate() if t.name == "signs of life"]
    assert [list(logger.handlers) for logger in loggers] == before
    assert not [t for t in threading.enumerate() if t.name == "signs of life"]
