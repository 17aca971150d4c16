"""A competition's folder as Kaggle has it, of tiny generated photos."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from biomass_pipeline.config import parse_config
from biomass_pipeline.synthetic import SyntheticSpec, write_photos

SPEC = SyntheticSpec(n_photos=24, n_sessions=8, n_states=2, height_px=60, width_px=120)
SETTINGS = {
    "tiling": {"tile_px": 60, "stride_px": 60},
    "folds": {"n_folds": 2},
    "backbone": {"name": "colour-texture"},
    "training": {
        "n_seeds": 1,
        "epochs": 2,
        "hidden_dim": 8,
        "ridge": {"poolings": ["mean"], "relevances": [0.0], "alphas": [0.01, 1.0]},
    },
    "evaluation": {"n_draws": 20, "n_resamples": 100},
}
CONFIG = parse_config(SETTINGS, source="the test")


@dataclass(frozen=True)
class Competition:
    """`train.csv`, `test.csv` and photos; the hidden test set is larger than the public one."""

    folder: Path
    names: tuple[str, ...]

    def attach(self, tree, *, hidden):
        """Put the competition under a tree's inputs, with the public or the hidden test set."""
        place = tree.input / "competitions" / "csiro-biomass"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.folder, place)
        asked = self.names[::4] if hidden else self.names[:1]
        for name in set(self.names[::4]) - set(asked):
            (place / "test" / f"{name}.jpg").unlink()
        order = pd.read_csv(place / "test.csv", dtype=str)
        kept = order["sample_id"].str.split("__").str[0].isin(asked)
        # No order of rows is promised.
        order[kept].sample(frac=1, random_state=int(hidden)).to_csv(place / "test.csv", index=False)
        return place


def build_competition(root):
    """18 labelled photos in 8 groups, 6 hidden ones of which 1 is public."""
    survey, folder = root / "survey", root / "csiro-biomass"
    write_photos(survey, spec=SPEC)
    table = pd.read_csv(survey / "train.csv", dtype=str)
    photo = table["sample_id"].str.split("__").str[0]
    names = tuple(photo.unique())
    hidden = photo.isin(names[::4])
    for part, rows in (("train", table[~hidden]), ("test", table[hidden])):
        (folder / part).mkdir(parents=True)
        for name in rows["image_path"].unique():
            shutil.copy(survey / name, folder / part)
        moved = rows.assign(image_path=rows["image_path"].str.replace("photos/", f"{part}/"))
        columns = list(rows) if part == "train" else ["sample_id", "image_path", "target_name"]
        moved[columns].to_csv(folder / f"{part}.csv", index=False)
    return Competition(folder, names)


def settings_text():
    """The settings as a script has them."""
    return yaml.safe_dump(SETTINGS)
