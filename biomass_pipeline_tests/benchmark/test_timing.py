"""What is compared takes turns, and the fastest turn counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.benchmark import Effort, fastest


class Machine:
    """A clock that moves only while a call works."""

    def __init__(self):
        self.now_s, self.called = 0.0, []

    def clock(self):
        return self.now_s

    def call(self, name, times):
        times = iter(times)

        def work():
            self.called.append(name)
            self.now_s += next(times)

        return work


def test_calls_take_turns_and_the_fastest_turn_counts():
    machine = Machine()
    calls = {"a": machine.call("a", [3, 1, 2]), "b": machine.call("b", [5, 6, 4])}
    took = fastest(calls, effort=Effort(rounds=3, enough_s=0), clock=machine.clock)
    assert took == {"a": 1, "b": 4}
    assert machine.called == ["a", "b"] * 3


@given(
    seconds=st.floats(0.01, 2), rounds=st.integers(1, 5), enough_s=st.floats(0, 5), most=st.just(40)
)
def test_short_calls_are_repeated_until_it_is_enough(seconds, rounds, enough_s, most):
    machine = Machine()
    calls = {"a": machine.call("a", [seconds] * most)}
    fastest(calls, effort=Effort(rounds, enough_s, most), clock=machine.clock)
    n_turns = len(machine.called)
    assert rounds <= n_turns <= most
    assert machine.now_s >= enough_s or n_turns == most
    assert n_turns == rounds or machine.now_s - seconds < enough_s


def test_once_is_once():
    machine = Machine()
    effort = Effort(rounds=5, enough_s=100).once()
    took = fastest({"a": machine.call("a", [7])}, effort=effort, clock=machine.clock)
    assert took == {"a": 7}


def test_nothing_takes_no_time():
    assert fastest({}, effort=Effort()) == {}


def test_a_call_that_fails_is_not_a_fast_one():
    def fail():
        msg = "no"
        raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="no"):
        fastest({"a": fail}, effort=Effort())
