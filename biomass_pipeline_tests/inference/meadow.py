"""A meadow of tiny photos whose mass can be seen by eye, and models that learnt from them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.inference.bundle import Bundle
from biomass_pipeline.inference.embedding import Workplace, embed_location
from biomass_pipeline_tests.inference.models import SMALL, bundle_of, untrained_fold
from biomass_pipeline_tests.mil.conftest import Field

MEADOW = DataConfig(
    layout="wide",
    date_column="date",
    targets=(
        TargetConfig(name="green_g"),
        TargetConfig(name="dead_g"),
        TargetConfig(name="total_g", weight=2.0),
        TargetConfig(name="cover", unit="share"),
    ),
    identities={"total_g": ("green_g", "dead_g")},
    group_columns=("date",),
    quadrat_area_m2=0.5,
)


def photo(path: Path, *, green: int, blue: int = 0) -> Path:
    """A plain photo of 16 x 32 px: two tiles."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (32, 16), (90, green, blue)).save(path)
    return path


def photos(folder: Path, n: int = 18) -> Path:
    """So many different photos in two folders; their greens rise."""
    for number in range(n):
        photo(folder / "ab"[number % 2] / f"p{number:02d}.png", green=20 + 9 * number, blue=number)
    return folder


def labels_of(image_ids) -> pd.DataFrame:
    """Masses that follow the number in a photo's name."""
    number = np.array([int(name.rpartition("p")[2]) for name in image_ids], dtype=float)
    green, dead = 2.0 + number, 1.0 + number % 3
    return pd.DataFrame(
        {
            "image_id": list(image_ids),
            "group": [f"g{int(value) % 6}" for value in number],
            "green_g": green,
            "dead_g": dead,
            "total_g": green + dead,
            "cover": np.clip(number / 20, 0, 1),
        }
    )


@dataclass(frozen=True)
class Meadow:
    """Photos, and a bundle of two folds that learnt from them."""

    photos: Path
    cache: Path
    bundle: Bundle


def build_meadow(folder: Path, *, training=SMALL, backbone="colour-texture") -> Meadow:
    """Embed the photos, and put two folds on their features."""
    here = photos(folder / "photos")
    empty = bundle_of((), data=MEADOW, backbone=backbone)
    place = Workplace(cache=folder / "cache", device="cpu")
    features = embed_location(str(here), empty, place=place).features
    field = Field(features, labels_of(features.image_ids))
    folds = [untrained_fold(field, training, seed=seed, data=MEADOW) for seed in (0, 1)]
    return Meadow(here, folder / "cache", bundle_of(folds, data=MEADOW, backbone=backbone))
