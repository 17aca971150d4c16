"""From a site's photos and its table of cuts to its calibration and what there is to say of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from biomass_pipeline.inference.bundle import Bundle
from biomass_pipeline.inference.calibration import SiteCalibration, calibrate_weighed, rows_of
from biomass_pipeline.inference.combining import EnsemblePrediction
from biomass_pipeline.inference.cross_check import CrossCheck, cross_check
from biomass_pipeline.inference.cuts import CutSheet, read_cuts
from biomass_pipeline.inference.planning import NextCut, Outlook, next_cuts, worth_of_more_cuts
from biomass_pipeline.inference.shifts import learn_prior
from biomass_pipeline.inference.weighing import Weighing
from biomass_pipeline.store import FeatureSet

_N_PLANNED = 10  # cuts ahead that the outlook speaks of
_SURPRISE = 2.0  # the error of a handful of cuts is rarely so many times what was expected


@dataclass(frozen=True)
class SitePhotos:
    """A site's photos with what the trained model says of them.

    Attributes:
        bundle: The model.
        prediction: Of the readable photos.
        features: Their tiles, in the same order.
        paths: Their paths, by id.
        refused: Of photos that were not predicted, by path, why.
        unreadable: The paths of those among them that could not be read just now.
    """

    bundle: Bundle
    prediction: EnsemblePrediction
    features: FeatureSet
    paths: Mapping[str, str]
    refused: Mapping[str, str]
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class SiteStudy:
    """A site's calibration and what there is to say of it.

    Attributes:
        site: What was learnt.
        check: The error at the cuts before and after.
        outlook: What more cuts would bring.
        plan: Photos to cut next, the best first.
        sheet: The cuts as they were read.
        photos: The site.
    """

    site: SiteCalibration
    check: CrossCheck
    outlook: Outlook
    plan: tuple[NextCut, ...]
    sheet: CutSheet
    photos: SitePhotos

    def to_plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "model": self.site.model,
            "photos": len(self.photos.prediction.predictive.image_ids),
            "cuts": len(self.site.cuts),
            "components": self.components(),
            "leave_one_out": self.check.to_plain(),
            "more_cuts": {
                "expected_errors": list(self.outlook.expected),
                "sentence": self.outlook.sentence,
            },
            "next_cuts": [
                {"path": self.photos.paths[cut.image_id], "gain": cut.gain, "unlike": cut.distance}
                for cut in self.plan
            ],
            "unreadable": [
                {"path": path, "reason": self.photos.refused[path]}
                for path in self.photos.unreadable
            ],
            "left_out": [{"photo": name, "reason": why} for name, why in self.sheet.left_out],
            "warnings": [*self.sheet.warnings, *self.remarks()],
        }

    def remarks(self) -> list[str]:
        """What the calibration cannot mend, in sentences."""
        found, expected = [], self.outlook.expected[0]
        if self.check.weighted_after > _SURPRISE * expected:
            found.append(
                f"The cuts miss the calibrated predictions by {self.check.weighted_after:.3g}, but "
                f"what training knows of sites lets expect {expected:.3g}: count on the larger."
            )
        predictive, cuts = self.photos.prediction.predictive, self.site.cuts
        missed = (cuts.implied() > 0) & (predictive.y[rows_of(predictive, cuts)] <= 0)
        for name, n in zip(predictive.targets.names, missed.sum(axis=0).tolist(), strict=True):
            if n:
                found.append(
                    f"{name} was weighed in {n} cut(s) where the model sees none: where nothing is "
                    f"predicted a calibration adds nothing."
                )
        return found

    def components(self) -> list[dict[str, Any]]:
        """Scale and offset of each component, and how certain they are (standard deviations)."""
        site = self.site
        sd = np.sqrt(np.diag(site.covariance)).reshape(-1, 2)
        columns = (site.scale, sd[:, 0], site.offset, sd[:, 1] * site.prior.mass)
        return [
            {"component": name, "scale": a, "scale_sd": u, "offset": b, "offset_sd": v}
            for name, a, u, b, v in zip(
                site.prior.targets.components, *(each.tolist() for each in columns), strict=True
            )
        ]


def study_cuts(photos: SitePhotos, cuts: str, *, n_next: int, base: Path) -> SiteStudy:
    """Calibrate a site by its cuts, check that, and plan further cuts.

    Args:
        photos: The site.
        cuts: CSV or Parquet, path or fsspec URL; a relative path is relative to `base`.
        n_next: How many photos to propose.
        base: See above.

    Raises:
        BiomassError: As `read_cuts`.
        UndefinedScoreError: The bundle holds no inner predictions to learn a prior from.
    """
    predictive, bundle = photos.prediction.predictive, photos.bundle
    sheet = read_cuts(
        cuts,
        [photos.paths[name] for name in predictive.image_ids],
        spec=bundle.config.data,
        base=base,
        refused=photos.refused,
    )
    members = bundle.ensemble.members()
    prior = learn_prior([member.inner for member in members], targets=predictive.targets)
    weighed = Weighing.from_frame(sheet.table, predictive.targets)
    site = calibrate_weighed(predictive, weighed, prior=prior, model=bundle.fingerprint)
    pooled = bundle.ensemble.folds[0].ridge.pool(photos.features)
    plan = next_cuts(
        predictive, pooled.reshape(len(pooled), -1), max(n_next, _N_PLANNED), site=site
    )
    return SiteStudy(
        site=site,
        check=cross_check(predictive, weighed, prior=prior),
        outlook=worth_of_more_cuts(predictive, plan, site=site),
        plan=tuple(plan[:n_next]),
        sheet=sheet,
        photos=photos,
    )
