"""What a generated survey is: the specification and the four states it may visit. Values only."""

from dataclasses import dataclass
from typing import Literal

Colour = tuple[float, float, float]

COMPONENTS = ("Dry_Dead_g", "Dry_Green_g", "Dry_Clover_g")


@dataclass(frozen=True)
class SyntheticSpec:
    """Everything that decides a generated survey; equal specifications give equal bytes.

    Attributes:
        n_photos: How many photos, each of one quadrat.
        height_px: Height of every photo.
        width_px: Width of every photo.
        n_states: How many of the four states are visited, in the order of `STATES`.
        n_sessions: Visits, each one state on one date; photos of a visit share light and growth.
        seed: The only source of chance.
        cue: `plants`: the plants drawn weigh what the label says. `session_colour`: the negative
            control, where the label belongs to the visit and nothing but its colour cast tells it.
    """

    n_photos: int = 120
    height_px: int = 500
    width_px: int = 1000
    n_states: int = 4
    n_sessions: int = 24
    seed: int = 0
    cue: Literal["plants", "session_colour"] = "plants"

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn.

        Raises:
            ValueError: A count or size is out of range.
        """
        if not 1 <= self.n_states <= len(STATES):
            msg = f"n_states must lie in 1..{len(STATES)}, not {self.n_states}"
            raise ValueError(msg)
        if not self.n_states <= self.n_sessions <= self.n_photos:
            msg = (
                "expected n_states <= n_sessions <= n_photos, found "
                f"{self.n_states}, {self.n_sessions}, {self.n_photos}"
            )
            raise ValueError(msg)
        if min(self.height_px, self.width_px) < _SMALLEST_PX:
            msg = f"photos need at least {_SMALLEST_PX} px a side"
            raise ValueError(msg)


@dataclass(frozen=True)
class Growth:
    """How much of one component grows in a state.

    Attributes:
        presence: Probability that a photo has any.
        median_g: Median mass where it grows, grams a quadrat.
    """

    presence: float
    median_g: float


@dataclass(frozen=True)
class State:
    """A place with its soil and pasture.

    Attributes:
        name: As in the label table.
        species: The pasture's name in the label table.
        soil: Mean soil colour, RGB in 0..255.
        growth: One for each of `COMPONENTS`, in that order.
    """

    name: str
    species: str
    soil: Colour
    growth: tuple[Growth, Growth, Growth]


# Masses and structural zeros follow the CSIRO table: WA has no dead matter, NSW hardly any clover.
STATES = (
    State("NSW", "Phalaris", (139, 97, 70), (Growth(0.95, 12), Growth(0.98, 27), Growth(0.015, 2))),
    State(
        "Tas", "Ryegrass_Clover", (88, 73, 60), (Growth(0.9, 8), Growth(0.95, 25), Growth(0.6, 7))
    ),
    State(
        "Vic", "Fescue_Clover", (122, 106, 88), (Growth(0.95, 9), Growth(0.95, 19), Growth(0.6, 5))
    ),
    State(
        "WA", "SubcloverLosa", (170, 142, 104), (Growth(0, 0), Growth(0.92, 15), Growth(0.9, 12))
    ),
)

_SMALLEST_PX = 40
