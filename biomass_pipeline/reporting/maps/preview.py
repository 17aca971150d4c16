"""One small map to look at, of the photo that matters most among many."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.inference.ensemble import Ensemble
from biomass_pipeline.inference.evidence import Claim, ensemble_evidence, models_of
from biomass_pipeline.reporting.maps.overlay import Drawing, overlay_png
from biomass_pipeline.reporting.maps.reading import PhotoReader
from biomass_pipeline.reporting.maps.wording import sentences
from biomass_pipeline.store import FeatureSet

_SIDE_PX = 640
_COLOURS = 96


@dataclass(frozen=True)
class Preview:
    """A small map.

    Attributes:
        image_id: The photo.
        png: The map, well below 100 kB.
        text: What it shows, in a few sentences.
    """

    image_id: str
    png: bytes
    text: str


def largest_map(  # who predicts what of which photos, and how they are opened
    ensemble: Ensemble,
    features: FeatureSet,
    predicted: NDArray[np.float64],
    *,
    reader: PhotoReader,
    images: pd.DataFrame,
    device: str = "cpu",
) -> Preview:
    """Map the photo with the most predicted biomass, of the target that weighs most.

    Only this photo is opened and only its tiles are asked for.

    Args:
        ensemble: The folds' models, of networks without covariates.
        features: At least one photo.
        predicted: Shape (photo, target), what is reported of them.
        reader: Opens photos.
        images: The manifest.
        device: As PyTorch names it.

    Raises:
        ChangedImageError: The photo has another content now.
        UnreadableImageError: It cannot be decoded.
        OSError: It cannot be opened.
    """
    data, config = reader.config.data, reader.config
    target = data.heaviest_target
    column = ensemble.targets.names.index(target)
    place = int(np.argmax(predicted[:, column]))
    one = features.part(place, place + 1)
    evidence = ensemble_evidence(
        ensemble, one, tiling=config.tiling, backbone=config.backbone, device=device
    )
    network = float(evidence.totals()[0, column])
    row = images[images["image_id"] == one.image_ids[0]].iloc[0]
    photo = reader.map_of(evidence, 0, row=row)
    picture = reader.picture(str(row["path"]), max_side_px=_SIDE_PX)
    claim = Claim(network, float(predicted[place, column]), models_of(ensemble))
    png = overlay_png(
        picture.pixels,
        photo.tile_map(target),
        ground=photo.ground,
        drawing=Drawing(with_photo=False, width_px=_SIDE_PX, palette=_COLOURS),
        valid=picture.valid,
    )
    return Preview(one.image_ids[0], png, " ".join(sentences(photo, target, claim)))
