"""The plan of a survey: which photo is taken where and when, and what grows there. No pixels."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.synthetic.spec import COMPONENTS, STATES, State, SyntheticSpec

_FIRST_DAY = dt.date(2015, 1, 12)
_SEASON_DAYS = 300
_YELLOW = np.array([1.0, 0.0, -1.0])
_GREEN_CAST = np.array([-1.0, 1.0, -1.0])
_GREEN = COMPONENTS.index("Dry_Green_g")  # the living plants: this one and the next
_HEAVIEST_G = 80.0  # more of one component would hide itself: no photo could tell it apart

# Standard deviations of log mass: among visits of a state, and among photos of a visit.
_VISIT_SD = (0.4, 0.35, 0.35)
_PHOTO_SD = (0.5, 0.5, 0.6)
# The negative control: the visit decides nearly everything.
_CONTROL_VISIT_SD = 0.8
_CONTROL_PHOTO_SD = 0.05
_CONTROL_CAST_SD = 0.25
_CONTROL_DRAWN_G = (8.0, 16.0, 5.0)  # the same plants everywhere: they tell nothing


@dataclass(frozen=True)
class Visit:
    """One state on one date: its photos share growth, light and soil.

    Attributes:
        state: Where.
        date: When.
        log_shift: Shift of log mass for each component, shape (component,).
        gains: Exposure times white balance for red, green and blue, shape (3,).
        soil_shift: Change of the soil's colour, RGB, shape (3,).
        gamma: Tone curve of the camera that day.
    """

    state: State
    date: dt.date
    log_shift: NDArray[np.float64]
    gains: NDArray[np.float64]
    soil_shift: NDArray[np.float64]
    gamma: float


@dataclass(frozen=True)
class PhotoPlan:
    """One photo to draw.

    Attributes:
        image_id: `ID` and ten digits.
        visit: Where, when and in which light.
        drawn_g: Mass of the plants to draw, shape (component,), in the order of `COMPONENTS`.
        weighed_g: Mass that the label tells before the laboratory, shape (component,), or None
            where the label weighs the plants drawn.
    """

    image_id: str
    visit: Visit
    drawn_g: NDArray[np.float64]
    weighed_g: NDArray[np.float64] | None


def plan_survey(spec: SyntheticSpec) -> list[PhotoPlan]:
    """Decide every photo of a survey, in order of image_id."""
    chance = np.random.default_rng([spec.seed, 0])
    visits = _visits(spec, chance)
    sizes = _visit_sizes(spec, chance)
    numbers = np.sort(_distinct_numbers(spec.n_photos, chance))
    order = chance.permutation(np.repeat(np.arange(spec.n_sessions), sizes))
    control = spec.cue == "session_colour"
    plans = []
    for number, index in zip(numbers, order, strict=True):
        visit = visits[index]
        drawn = np.array(_CONTROL_DRAWN_G) if control else _masses(visit, chance)
        weighed = _control_masses(visit, chance) if control else None
        plans.append(PhotoPlan(f"ID{number}", visit, drawn, weighed))
    return plans


def _visits(spec: SyntheticSpec, chance: np.random.Generator) -> list[Visit]:
    days = np.linspace(0, _SEASON_DAYS, spec.n_sessions).astype(int)
    control = spec.cue == "session_colour"
    shift_sd = _CONTROL_VISIT_SD if control else np.array(_VISIT_SD)
    visits = []
    for index, day in enumerate(days):
        cast = chance.normal(0, _CONTROL_CAST_SD, 3) if control else _daylight(chance)
        shift = chance.normal(0, shift_sd) * np.ones(3) if control else chance.normal(0, shift_sd)
        visits.append(
            Visit(
                state=STATES[index % spec.n_states],
                date=_FIRST_DAY + dt.timedelta(days=int(day)),
                log_shift=shift,
                gains=np.exp(cast),
                soil_shift=chance.normal(0, 14) + chance.normal(0, 4, 3),
                gamma=float(np.exp(chance.normal(0, 0.1))),
            )
        )
    return visits


def _daylight(chance: np.random.Generator) -> NDArray[np.float64]:
    """Log gains of a camera in daylight: exposure, yellow to blue, a little green to magenta."""
    exposure, warmth, tint = chance.normal(0, (0.18, 0.09, 0.025))
    gains: NDArray[np.float64] = exposure + warmth * _YELLOW + tint * _GREEN_CAST
    return gains


def _visit_sizes(spec: SyntheticSpec, chance: np.random.Generator) -> NDArray[np.int64]:
    share = chance.dirichlet(np.full(spec.n_sessions, 6.0))
    return 1 + chance.multinomial(spec.n_photos - spec.n_sessions, share)


def _distinct_numbers(count: int, chance: np.random.Generator) -> NDArray[np.int64]:
    step = 9_000_000_000 // count  # one number from each of `count` ranges: never two alike
    return 1_000_000_000 + step * np.arange(count) + chance.integers(0, step, count)


def _masses(visit: Visit, chance: np.random.Generator) -> NDArray[np.float64]:
    presence = np.array([growth.presence for growth in visit.state.growth])
    median = np.array([growth.median_g for growth in visit.state.growth])
    mass = median * np.exp(visit.log_shift + chance.normal(0, _PHOTO_SD))
    present = chance.random(len(COMPONENTS)) < presence
    present[_GREEN] |= not present[_GREEN:].any()  # a photo of no living plant is never taken
    return np.where(present, np.minimum(mass, _HEAVIEST_G), 0.0)


def _control_masses(visit: Visit, chance: np.random.Generator) -> NDArray[np.float64]:
    median = np.array([growth.median_g for growth in STATES[1].growth])
    mass: NDArray[np.float64] = median * np.exp(
        visit.log_shift + chance.normal(0, _CONTROL_PHOTO_SD)
    )
    return np.minimum(mass, _HEAVIEST_G)
