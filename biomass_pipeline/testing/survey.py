"""A survey of tiny photos whose mass can be seen by eye, and a project on it."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from biomass_pipeline.project import Project
from biomass_pipeline.testing.fakes import TILE_PX

COLUMNS = ["image_path", "date", "mass_g"]
_RED = 90
# One dealing in groups and one photo by photo: two partitions.
_PROTOCOLS = {
    "group_seeds": 1,
    "leave_out": [],
    "forward_parts": 0,
    "random_seeds": 1,
    "learning_curve": [],
}
# As small as every stage bears: the whole graph takes seconds.
SETTINGS: dict[str, Any] = {
    "name": "farm",
    "root": "artefacts",
    "data": {
        "images": "photos",
        "labels": "labels.csv",
        "layout": "wide",
        "date_column": "date",
        "targets": [{"name": "mass_g"}],
        "identities": {},
        "group_columns": ["date"],
        "quadrat_area_m2": 0.5,
    },
    "folds": {"n_folds": 3},
    "tiling": {"tile_px": TILE_PX, "stride_px": TILE_PX},
    "training": {
        "epochs": 2,
        "n_seeds": 1,
        "hidden_dim": 4,
        "attention_dim": 4,
        "ridge": {"poolings": ["mean"], "relevances": [0.0], "alphas": [0.1, 1.0]},
    },
    "evaluation": {"n_draws": 20, "n_resamples": 100, "protocols": _PROTOCOLS},
    "tuning": {"n_trials": 2},
}


@dataclass
class TinySurvey:
    """Photos of 16 x 32 px (two tiles), of one colour; mass in grams = green / 10.

    Attributes:
        folder: Holds `photos/`, `labels.csv` and `biomass.yaml`.
        rows: Date and mass in grams by the photo's name.
    """

    folder: Path
    rows: dict[str, tuple[str, float]] = field(default_factory=dict)

    def photo(self, name: str, green: int, *, blue: int = 0) -> Path:
        """Write a photo. Equal colours are equal bytes: tell photos apart by their blue."""
        path = self.folder / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2 * TILE_PX, TILE_PX), (_RED, green, blue)).save(path)
        return path

    def label(self, name: str, date: str, mass_g: float) -> None:
        """Weigh a photo; `write` puts it into the file."""
        self.rows[name] = (date, mass_g)

    def write(self, **sections: Mapping[str, object]) -> None:
        """Write the label file and the configuration, with fields of its sections changed."""
        with (self.folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            table.writerows([name, *row] for name, row in self.rows.items())
        settings = SETTINGS | {
            name: {**SETTINGS.get(name, {}), **section} for name, section in sections.items()
        }
        (self.folder / "biomass.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    def project(self) -> Project:
        """The project as its file has it; no environment variable changes it."""
        return Project.open(self.folder / "biomass.yaml", environment={})


def write_tiny_survey(
    folder: Path, *, n_sessions: int = 6, photos_per_session: int = 2
) -> TinySurvey:
    """Sessions on different dates, each a group; every photo is another one."""
    survey = TinySurvey(folder)
    for session in range(n_sessions):
        for number in range(photos_per_session):
            name = f"s{session}n{number}.png"
            green = 20 + 37 * session % 200 + 11 * number
            survey.photo(name, green, blue=session)
            survey.label(name, f"2024-05-{session + 1:02d}", green / 10)
    survey.write()
    return survey
