import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from biomass_pipeline.synthetic.spec import COMPONENTS, SyntheticSpec
from biomass_pipeline.synthetic.survey import plan_survey

GREEN, CLOVER, DEAD = (
    COMPONENTS.index(name) for name in ("Dry_Green_g", "Dry_Clover_g", "Dry_Dead_g")
)


@st.composite
def specs(draw):
    n_states = draw(st.integers(1, 4))
    n_sessions = draw(st.integers(n_states, 30))
    n_photos = draw(st.integers(n_sessions, 90))
    return SyntheticSpec(
        n_photos=n_photos,
        n_states=n_states,
        n_sessions=n_sessions,
        seed=draw(st.integers(0, 2**31)),
        cue=draw(st.sampled_from(["plants", "session_colour"])),
    )


@settings(max_examples=40)
@given(spec=specs())
def test_every_visit_has_photos_and_every_photo_its_own_name(spec):
    plans = plan_survey(spec)
    names = [plan.image_id for plan in plans]
    assert len(set(names)) == spec.n_photos
    assert names == sorted(names)
    assert all(len(name) == 12 and name[2:].isdigit() for name in names)
    assert len({(plan.visit.state.name, plan.visit.date) for plan in plans}) == spec.n_sessions
    assert len({plan.visit.state.name for plan in plans}) == spec.n_states


@settings(max_examples=40)
@given(spec=specs())
def test_masses_follow_the_states_structure(spec):
    for plan in plan_survey(spec):
        assert (plan.drawn_g >= 0).all()
        assert plan.drawn_g[GREEN] + plan.drawn_g[CLOVER] > 0
        if spec.cue == "plants" and plan.visit.state.name == "WA":
            assert plan.drawn_g[DEAD] == 0


def test_new_south_wales_has_hardly_any_clover():
    plans = plan_survey(SyntheticSpec(n_photos=600, seed=1))
    clover = [plan.drawn_g[CLOVER] for plan in plans if plan.visit.state.name == "NSW"]
    assert np.mean(np.array(clover) > 0) < 0.05


def test_in_the_control_only_the_visit_tells_the_mass():
    plans = plan_survey(SyntheticSpec(n_sessions=12, cue="session_colour"))
    assert len({tuple(plan.drawn_g) for plan in plans}) == 1
    visits = {}
    for plan in plans:
        visits.setdefault(plan.visit.date, []).append(np.log(plan.weighed_g.sum()))
    within = np.mean([np.std(values) for values in visits.values()])
    between = np.std([np.mean(values) for values in visits.values()])
    assert between > 5 * within
