"""The page's later sections: what each shows, as plain values for its template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pandas as pd

from biomass_pipeline.config import DataConfig
from biomass_pipeline.reporting.figures import predicted_against_measured
from biomass_pipeline.reporting.pictures import Picture, picture
from biomass_pipeline.reporting.protocol_figures import learning_curve_figure, protocol_figure
from biomass_pipeline.reporting.protocols import (
    curve_sentence,
    gap_sentence,
    protocol_table,
    read_protocols,
)
from biomass_pipeline.reporting.scores import Scores, model_name
from biomass_pipeline.reporting.table import score, share
from biomass_pipeline.reporting.trust import Trust, read_trust
from biomass_pipeline.reporting.trust_figures import calibration_figure, pit_figure
from biomass_pipeline.reporting.trust_tables import (
    coverage_sentence,
    distribution_table,
    levels_table,
    paddock_sentence,
    paddock_table,
    part_tables,
)
from biomass_pipeline.reporting.tuning import (
    best_table,
    read_tuning,
    tuning_figure,
    tuning_sentence,
)
from biomass_pipeline.reporting.unlike import likeness_sentence, worst_photos

_SCATTER_READING: Final = "A point is a photo, a thin bar its interval; on the line both agree."
_PIT_READING: Final = (
    "Where the measured value fell among the values predicted for its photo. Bars near the line: "
    "the stated uncertainty is right. High at both ends: too sure. High in the middle: too unsure. "
    "High on the right: predicted too low."
)
_CALIBRATION_READING: Final = (
    "On the line a promise is kept: below it on the left, intervals are too narrow; on the right, "
    "things said to be there were not."
)
_PROTOCOL_READING: Final = "Further right is better; hollow marks are optimistic, not comparable."
_CURVE_READING: Final = "A line still rising at its right end would gain from more groups."
_TUNING_READING: Final = (
    "Left, each point is a trial and the line the best so far, hollow points were stopped early. "
    "Right, where there is one, what the scores depended on."
)


class Alarm(Protocol):
    """What is known of one way in which a score may be too good to be true."""

    @property
    def name(self) -> str:
        """What was looked at."""

    @property
    def raised(self) -> bool:
        """Whether a reader should worry."""

    @property
    def sentence(self) -> str:
        """What was found, in words."""


@dataclass(frozen=True)
class AlarmLine:
    """An alarm as the page shows it."""

    name: str
    raised: bool
    sentence: str


def scatter_section(oof: pd.DataFrame, scores: Scores, *, data: DataConfig) -> list[Picture]:
    """Predicted against measured, of the model that is used and the one it has to beat."""
    models = dict.fromkeys([scores.headline, "ridge", "mil"])
    drawn = [model for model in models if model in scores.models][:2]
    return [_scatter(oof, scores, data=data, model=model) for model in drawn if model]


def trust_section(
    metrics: Mapping[str, Any], oof: pd.DataFrame, *, data: DataConfig, model: str
) -> dict[str, object]:
    """Calibration, refused levels, paddocks, and photos unlike the training photos."""
    trust = read_trust(metrics, data=data, model=model)
    if trust is None:
        return {"trust": None}
    return {
        "trust": {
            "model": model_name(model),
            "sentence": coverage_sentence(trust),
            "refusals": trust.refusals,
            "levels": levels_table(trust, data=data),
            "distributions": distribution_table(trust, data=data),
            "pictures": _trust_pictures(trust),
            "parts": [(f"By {name}", table) for name, table in part_tables(trust, data=data)],
            "paddocks": paddock_table(trust, data=data),
            "paddock_sentence": paddock_sentence(trust, data=data),
            "likeness": likeness_sentence(trust.out_of_domain, data=data),
            "worst": worst_photos(oof, data=data, model=model),
        }
    }


def protocols_section(found: Mapping[str, Any] | None, *, model: str) -> dict[str, object]:
    """Other ways to hold photos out, and the learning curve."""
    protocols = read_protocols(found)
    pictures = []
    if protocols.lines:
        pictures.append(
            picture(
                lambda theme: protocol_figure(protocols, theme=theme),
                name="Scores by what is held out",
                reading=_PROTOCOL_READING,
                alt="Global score of each model by protocol; the table above has the numbers",
            )
        )
    if protocols.curve:
        pictures.append(
            picture(
                lambda theme: learning_curve_figure(protocols, theme=theme),
                name="Learning curve",
                reading=f"{_CURVE_READING} {curve_sentence(protocols, model=model)}",
                alt="Global score of each model over the number of training groups",
            )
        )
    return {
        "protocols": {
            "table": protocol_table(protocols),
            "gap": gap_sentence(protocols, model=model),
            "remarks": protocols.remarks,
            "pictures": pictures,
        }
    }


def tuning_section(found: Mapping[str, Any] | None) -> dict[str, object]:
    """What a search of settings found, if there was one."""
    tuning = read_tuning(found)
    if tuning is None:
        return {"tuning": None}
    pictures = []
    if tuning.trials:
        pictures.append(
            picture(
                lambda theme: tuning_figure(tuning, theme=theme),
                name="The search",
                reading=_TUNING_READING,
                alt="Inner score of each trial, and the importance of each setting",
            )
        )
    return {
        "tuning": {
            "sentence": tuning_sentence(tuning),
            "best": best_table(tuning),
            "pictures": pictures,
        }
    }


def alarm_section(alarms: Sequence[Alarm]) -> dict[str, object]:
    """Everything that was looked at, and apart from it what a reader should worry about."""
    lines = [AlarmLine(_spoken(alarm.name), alarm.raised, alarm.sentence) for alarm in alarms]
    return {"alarms": lines, "raised": [line for line in lines if line.raised]}


def _spoken(name: str) -> str:
    """A name for a machine as a person would write it."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _scatter(oof: pd.DataFrame, scores: Scores, *, data: DataConfig, model: str) -> Picture:
    found = [f"{name} R² {score(scores.targets[name][model].r2)}" for name in data.target_names]
    name = model_name(model)
    return picture(
        lambda theme: predicted_against_measured(oof, data=data, model=model, theme=theme),
        name=name,
        reading=_SCATTER_READING,
        alt=f"{name}: predicted against measured, a panel each for {', '.join(found)}",
    )


def _trust_pictures(trust: Trust) -> list[Picture]:
    covered = [
        f"{name} {share(line.covered)} at {share(line.level)}"
        for name, found in trust.calibration.items()
        for line in found.levels
        if line.level == trust.level
    ]
    return [
        picture(
            lambda theme: calibration_figure(trust.calibration, theme=theme),
            name="Promised and observed",
            reading=_CALIBRATION_READING,
            alt=f"Observed against promised coverage of intervals: {', '.join(covered)}",
        ),
        picture(
            lambda theme: pit_figure(trust.calibration, theme=theme),
            name="Where measured values fell",
            reading=_PIT_READING,
            alt="Histograms of the probability integral transform, a panel a target",
        ),
    ]
