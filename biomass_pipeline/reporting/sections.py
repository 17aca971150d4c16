"""The page's later sections: what each shows, as plain values for its template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pandas as pd

from biomass_pipeline.config import DataConfig
from biomass_pipeline.reporting.album import Album
from biomass_pipeline.reporting.figures import predicted_against_measured
from biomass_pipeline.reporting.live_charts import (
    calibration_chart,
    learning_curve_chart,
    pit_chart,
    protocol_chart,
)
from biomass_pipeline.reporting.photo_columns import photo_columns
from biomass_pipeline.reporting.pictures import Picture, picture
from biomass_pipeline.reporting.protocol_figures import learning_curve_figure, protocol_figure
from biomass_pipeline.reporting.protocols import (
    curve_sentence,
    gap_sentence,
    protocol_table,
    read_protocols,
)
from biomass_pipeline.reporting.residual_figures import residual_figure
from biomass_pipeline.reporting.scores import Scores, model_name
from biomass_pipeline.reporting.table import number, score, share, spoken_group
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
from biomass_pipeline.reporting.unlike import likeness_sentence, worst_photos, worst_table
from biomass_pipeline.reporting.worst_maps import WorstMaps

_SCATTER_READING: Final = "A point is a photo, a thin bar its interval; on the line both agree."
_RESIDUAL_READING: Final = (
    "Points should lie around zero everywhere; the dark marks are medians. A mark far from zero: "
    "predictions are usually too high, or too low, there."
)
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


def residual_section(
    oof: pd.DataFrame, labels: pd.DataFrame | None, *, data: DataConfig, model: str
) -> list[Picture]:
    """Errors of the target that counts most along what is known of the photos."""
    if labels is None:
        return []
    target = next(t for t in data.targets if t.name == data.heaviest_target)
    rows = oof[(oof["model"] == model) & (oof["target"] == target.name)]
    known = rows[["image_id", "y_true", "y_pred"]].merge(labels, on="image_id", how="left")
    columns = photo_columns(known.drop(columns=["y_true", "y_pred"]), data=data)
    if not columns:
        return []
    errors = (known["y_pred"] - known["y_true"]).tolist()
    return [
        picture(
            lambda render: residual_figure(errors, columns, target=target, render=render),
            slug="residuals",
            name=f"Errors in {target.name}: {model_name(model)}",
            reading=_RESIDUAL_READING,
            alt=f"Errors in {target.name} along {', '.join(column.name for column in columns)}",
        )
    ]


def worst_section(
    oof: pd.DataFrame, album: Album, maps: WorstMaps, *, data: DataConfig, model: str
) -> dict[str, object]:
    """The photos predicted worst, with their pictures where there are any."""
    worst = worst_photos(oof, data=data, model=model)
    unit = next(t.unit for t in data.targets if t.name == data.heaviest_target)
    cards = [
        {
            "image_id": each.image_id,
            "group": spoken_group(each.group),
            "sentence": each.sentence(unit),
            "lost": share(each.lost),
            "measured": f"{number(each.measured)} {unit}",
            "predicted": f"{number(each.predicted)} {unit}",
            "unlike": number(each.unlike, digits=2),
            "picture": album.pictures.get(each.image_id, ""),
            "map": maps.uris.get(each.image_id, ""),
        }
        for each in worst
    ]
    return {
        "worst": cards,
        "worst_table": worst_table(worst, data=data),
        "maps": maps,
        "map_top": number(maps.top, digits=2),
    }


def trust_section(metrics: Mapping[str, Any], *, data: DataConfig, model: str) -> dict[str, object]:
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
        }
    }


def protocols_section(found: Mapping[str, Any] | None, *, model: str) -> dict[str, object]:
    """Other ways to hold photos out, and the learning curve."""
    protocols = read_protocols(found)
    pictures = []
    if protocols.lines:
        pictures.append(
            picture(
                lambda render: protocol_figure(protocols, render=render),
                slug="protocols",
                live=lambda: protocol_chart(protocols),
                name="Scores by what is held out",
                reading=_PROTOCOL_READING,
                alt="Global score of each model by protocol; the table above has the numbers",
            )
        )
    if protocols.curve:
        pictures.append(
            picture(
                lambda render: learning_curve_figure(protocols, render=render),
                slug="learning_curve",
                live=lambda: learning_curve_chart(protocols),
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
                lambda render: tuning_figure(tuning, render=render),
                slug="tuning",
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
        lambda render: predicted_against_measured(oof, data=data, model=model, render=render),
        slug=f"predicted_against_measured_{model}",
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
            lambda render: calibration_figure(trust.calibration, render=render),
            slug="calibration",
            live=lambda: calibration_chart(trust.calibration),
            name="Promised and observed",
            reading=_CALIBRATION_READING,
            alt=f"Observed against promised coverage of intervals: {', '.join(covered)}",
        ),
        picture(
            lambda render: pit_figure(trust.calibration, render=render),
            slug="pit",
            live=lambda: pit_chart(trust.calibration),
            name="Where measured values fell",
            reading=_PIT_READING,
            alt="Histograms of the probability integral transform, a panel a target",
        ),
    ]
