"""From photos that nobody weighed to their predictions: what Python and the command line call."""

import logging
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from biomass_pipeline.features import usable_devices
from biomass_pipeline.inference.bundle import Bundle, load_bundle
from biomass_pipeline.inference.combining import EnsemblePrediction
from biomass_pipeline.inference.embedding import Embedded, Workplace, embed_location, user_cache
from biomass_pipeline.inference.ensemble import predict_ensemble
from biomass_pipeline.inference.photo_table import for_photos, read_photo_table
from biomass_pipeline.inference.site_file import read_site
from biomass_pipeline.mil import Beside
from biomass_pipeline.mil.metadata import SEASON

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PhotoTable:
    """A file that says something of the photos.

    Attributes:
        source: CSV or Parquet, path or fsspec URL.
        columns: What is read of it beside the models' covariates.
    """

    source: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The predictions of a location's photos.

    Attributes:
        bundle: What predicted.
        embedded: The photos, and those that could not be read.
        prediction: Of the readable ones, in path order.
        beside: What the table says of them; column `image_id` and the table's.
    """

    bundle: Bundle
    embedded: Embedded
    prediction: EnsemblePrediction
    beside: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """A row a photo and target, as `biomass_pipeline.predict` gives it."""
        area_m2 = self.bundle.config.data.quadrat_area_m2
        return self.prediction.frame(area_m2, in_grams=self.bundle.grams)


def predict(
    images: str | Path,
    *,
    bundle: str | Path | Bundle,
    site: str | Path | None = None,
    table: str | Path | None = None,
    device: str = "auto",
    cache: str | Path | None = None,
) -> pd.DataFrame:
    """Predict photos with a model bundle.

    A photo's features are kept in the cache by content: predicting it again embeds nothing.

    Args:
        images: A folder, a photo, a glob such as `photos/**/*.jpg`, or an fsspec URL of either.
        bundle: The folder that `biomass export model` wrote, or what `load_bundle` made of it.
        site: The file that `biomass calibrate` wrote on top of this bundle.
        table: CSV or Parquet with the covariates that the models were trained with, if any.
        device: `auto`, or as PyTorch names it: `cpu`, `cuda:1`, `mps`.
        cache: Where features are kept; the user's cache folder if None.

    Returns:
        A row a photo and target, photos in path order, targets in the bundle's. The columns are
        `image_id` (path without suffix), `target`; `y_pred`, `y_lower`, `y_upper`, `y_lower_50`,
        `y_upper_50` and so on in the target's unit, a photo (grams on its quadrat); `p_zero`, 0 to
        1; `kg_dm_ha`, `kg_dm_ha_lower`, `kg_dm_ha_upper`, kg of dry matter a hectare, NaN for
        targets not in grams; `fold_sd`, in the target's unit; `ood_percentile`, 0 to 100. Bounds
        are NaN where training had too few groups for their level. Sums among the targets hold in
        every photo. `attrs` holds `unreadable` (path and reason of photos that could not be read,
        which have no row), `notes` (what must be said of every prediction) and `bundle` (its
        fingerprint).

    Raises:
        BiomassError: With what is wrong and what to do; `load_bundle`, `embed_location`,
            `read_site` and `read_photo_table` list the kinds.
    """
    model = bundle if isinstance(bundle, Bundle) else load_bundle(Path(bundle))
    place = Workplace(cache=user_cache() if cache is None else Path(cache), device=device)
    asked = None if table is None else PhotoTable(str(table))
    outcome = predict_location(
        str(images), model, place=place, table=asked, site=None if site is None else Path(site)
    )
    for note in model.notes:
        _log.warning(note)
    for path, reason in outcome.embedded.unreadable:
        _log.warning("%s is not predicted: %s", path, reason)
    frame = outcome.frame()
    frame.attrs = {
        "unreadable": [list(each) for each in outcome.embedded.unreadable],
        "notes": list(model.notes),
        "bundle": model.fingerprint,
    }
    return frame


def predict_location(
    location: str,
    bundle: Bundle,
    *,
    place: Workplace,
    table: PhotoTable | None = None,
    site: Path | None = None,
) -> Outcome:
    """Embed the photos of a location and predict them.

    Args:
        location: Folder, photo, glob or fsspec URL.
        bundle: What predicts.
        place: Where features are made and kept.
        table: What is known of the photos beside their pixels.
        site: A calibration on top of this bundle.

    Raises:
        BiomassError: As `predict`.
    """
    # What can be refused without looking at a photo is refused first.
    calibration = None if site is None else read_site(site, model=bundle.fingerprint)
    columns = (*(table.columns if table else ()), *_covariates(bundle))
    data = bundle.config.data
    read = None
    if table is not None:
        read = read_photo_table(table.source, base=place.base, data=data, columns=columns)
    embedded = embed_location(location, bundle, place=place)
    known = {name: embedded.paths[name] for name in embedded.features.image_ids}
    beside = pd.DataFrame({"image_id": list(known)})
    if table is not None and read is not None:
        beside = for_photos(read, known, source=table.source)
    found = predict_ensemble(
        bundle.ensemble,
        embedded.features,
        spec=bundle.spec,
        device=usable_devices(place.device)[0],
        beside=Beside(beside, data.date_column),
    )
    if calibration is not None:
        found = calibration.apply_ensemble(found)
    return Outcome(bundle, embedded, found, beside)


def _covariates(bundle: Bundle) -> tuple[str, ...]:
    """The columns that the networks read."""
    names = bundle.ensemble.folds[0].network.covariates
    date = bundle.config.data.date_column
    return tuple(date if name == SEASON and date else name for name in names)
