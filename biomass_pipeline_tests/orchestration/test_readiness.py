"""The rules of what may run by itself, on a graph that fits on a page."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.orchestration import Node
from biomass_pipeline.orchestration.readiness import MOST_TIMES, Attempt, Situation, hindrance

SOURCE, TABLE, OTHER = Node("source"), Node("table"), Node("other")
CACHES = (Node("cache", "0"), Node("cache", "1"))
MODELS = (Node("model", "0"), Node("model", "1"))
REPORT = Node("report")
PARENTS = {
    TABLE: (SOURCE,),
    OTHER: (TABLE,),
    CACHES[0]: (TABLE,),
    CACHES[1]: (TABLE,),
    # Each model learns from the other fold.
    MODELS[0]: (CACHES[1],),
    MODELS[1]: (CACHES[0],),
    REPORT: (*MODELS, OTHER),
}
STAGES = {"table": "prepare", "other": "prepare", "cache": "extract", "model": "extract"}


def situation(*due, **known):
    parts = {name: frozenset(nodes) for name, nodes in known.items()}
    return Situation(PARENTS, STAGES, frozenset(due), **parts)


def chosen(now):
    """What is asked for at one look, upstream first."""
    asked = []
    for node in PARENTS:
        if node in now.due and hindrance(node, now, asked=asked) is None:
            asked.append(node)
    return asked


class TestHindrance:
    def test_nothing_hinders_what_is_due_and_settled(self):
        assert hindrance(REPORT, situation(REPORT), asked=()) is None

    def test_what_is_due_waits_for_what_is_due_however_far_back(self):
        found = hindrance(REPORT, situation(TABLE, REPORT), asked=[TABLE])
        assert found == "table has to run before"

    def test_a_stage_runs_as_one(self):
        assert chosen(situation(TABLE, OTHER)) == [TABLE, OTHER]

    def test_folds_of_one_stage_do_not_share_a_run(self):
        assert chosen(situation(CACHES[0], MODELS[1])) == [CACHES[0]]

    def test_another_stage_waits_for_the_next_look(self):
        assert chosen(situation(TABLE, *CACHES)) == [TABLE]

    def test_a_fresh_one_in_between_may_turn_stale_yet(self):
        now = situation(CACHES[0], REPORT)
        stages = dict.fromkeys(("cache", "model", "report"), "one")
        found = hindrance(REPORT, replace(now, stages=stages), asked=())
        assert found == "cache[0] has to run before"
        parents = {Node("a"): (), Node("b"): (Node("a"),), Node("c"): (Node("a"), Node("b"))}
        chain = Situation(parents, dict.fromkeys("abc", "one"), frozenset({Node("a"), Node("c")}))
        assert hindrance(Node("c"), chain, asked=[Node("a")]) == "b may have to run before"

    def test_what_is_busy_is_not_asked_for_again_and_holds_back_what_follows(self):
        now = situation(TABLE, REPORT, busy={TABLE})
        assert hindrance(TABLE, now, asked=()) == "it is running"
        assert hindrance(REPORT, situation(REPORT, busy={SOURCE}), asked=()) == "source is running"

    def test_what_would_share_its_run_without_being_read_goes_first(self):
        """Model 1 learns from cache 0 only; in one run with cache 1 it would fail with it."""
        found = hindrance(MODELS[1], situation(CACHES[1], MODELS[1]), asked=[CACHES[1]])
        assert found == "cache[1] would be in its run"
        assert hindrance(MODELS[1], situation(MODELS[1], busy={CACHES[1]}), asked=[]) is None

    def test_a_running_fold_does_not_hold_back_the_other(self):
        now = situation(*MODELS, busy={CACHES[0]})
        assert chosen(now) == [MODELS[0]]

    def test_a_failed_blocking_check_holds_back_what_follows_until_it_is_made_again(self):
        now = situation(OTHER, refused={TABLE})
        assert hindrance(OTHER, now, asked=()) == "a blocking check of table failed"
        assert chosen(situation(TABLE, OTHER, refused={TABLE})) == [TABLE, OTHER]

    def test_many_names_are_cut_short(self):
        folds = [Node("cache", str(fold)) for fold in range(5)]
        now = Situation({REPORT: tuple(folds)}, {}, frozenset({REPORT, *folds}))
        assert hindrance(REPORT, now, asked=()) == (
            "cache[0], cache[1], cache[2] and 2 more has to run before"
        )


nodes = st.sets(st.sampled_from(list(PARENTS)))


@given(due=nodes, busy=nodes, refused=nodes)
def test_what_runs_is_due_and_has_no_unsettled_ancestor_outside_its_run(due, busy, refused):
    now = situation(*due, busy=busy, refused=refused)
    asked = chosen(now)
    for node in asked:
        assert node in due - busy
        for ancestor in now.ancestors(node):
            assert ancestor not in busy
            if ancestor in due | refused:
                assert (ancestor in asked and ancestor.fold == node.fold) or ancestor not in due
            if ancestor in refused:
                assert ancestor in asked


@given(due=nodes)
def test_asking_again_and_again_runs_everything_due_once(due):
    """With every run successful and no new content, no more runs than are due."""
    left, ran = set(due), []
    for _ in range(len(PARENTS) + 1):
        asked = chosen(situation(*left))
        ran += asked
        left -= set(asked)
    assert sorted(ran) == sorted(due)


class TestAttempt:
    def test_the_first_time_is_always_taken(self):
        assert Attempt.following(None, inputs="a", before=None) == Attempt("a", None, 1)

    def test_a_state_that_failed_is_not_tried_again(self):
        failed = Attempt("a", before=None)
        assert Attempt.following(failed, inputs="a", before=None) is None

    def test_another_state_is(self):
        failed = Attempt("a", before=3)
        assert Attempt.following(failed, inputs="b", before=3) == Attempt("b", 3, 1)

    def test_what_succeeded_may_be_due_again_but_not_for_ever(self):
        attempt, before = Attempt("a", before=0), 0
        while attempt:
            last, before = attempt, before + 1
            attempt = Attempt.following(attempt, inputs="a", before=before)
        assert last.times == MOST_TIMES


@pytest.mark.parametrize("times", [MOST_TIMES, MOST_TIMES + 1])
def test_the_count_starts_anew_with_other_inputs(times):
    assert Attempt.following(Attempt("a", 1, times), inputs="b", before=2).times == 1
