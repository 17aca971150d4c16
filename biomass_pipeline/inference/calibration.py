"""A site's own scale and offset of each component, learnt from a few cuts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.errors import UnknownCutsError
from biomass_pipeline.inference.combining import EnsemblePrediction
from biomass_pipeline.inference.shifts import SitePrior, shaped
from biomass_pipeline.inference.weighing import Weighing
from biomass_pipeline.mil.predictive import Predictive
from biomass_pipeline.scoring import ErrorVariance

Floats = NDArray[np.float64]

# How much a cut is believed of what it would tell if photos of a site erred alone and as the prior
# says: half. Over 200 simulated sites whose shifts are like the survey's, 3 cuts make the error
# 0.965 times what it was, and 0.963 if they are believed whole; on sites without any shift, 1.02
# instead of 1.04; on sites far from all surveyed ones, 0.88 instead of 0.83.
TRUST = 0.5


@dataclass(frozen=True)
class SiteCalibration:
    """What a site's cuts tell about it, on top of what the model was trained on.

    Attributes:
        prior: What was believed before the first cut.
        shift: Shape (component, 2): scale minus 1, and offset in units of the component's mass.
        covariance: Shape (2 * component, 2 * component), of the shift.
        cuts: The cuts that it was learnt from.
        model: The fingerprint of the model whose predictions it belongs to.
    """

    prior: SitePrior
    shift: Floats
    covariance: Floats
    cuts: Weighing
    model: str = ""

    @property
    def scale(self) -> Floats:
        """What predictions are multiplied by, shape (component,), >= 0."""
        return np.maximum(1.0 + self.shift[:, 0], 0.0)

    @property
    def offset(self) -> Floats:
        """What is added then, in the targets' units, shape (component,)."""
        return np.asarray(self.shift[:, 1] * self.prior.mass)

    def points(self, components: Floats) -> Floats:
        """The site's components, shape (photo, component), >= 0 and rising with the model's."""
        design = self.prior.design(components)
        return np.maximum(self.scale * components + self.shift[:, 1] * design[..., 1], 0.0)

    def apply(self, predictive: Predictive) -> Predictive:
        """The site's predictions, with what is still uncertain about the site.

        Points are moved component by component, so sums keep adding up. Intervals and draws keep
        their shape: they came from photos of groups that the model had not seen, so their width
        already holds how sites differ. Cuts replace that part by what is left of it, and errors
        grow with the moved prediction: widths are multiplied by
        `sqrt((x' V x + n(y')) / (x' T x + n(y)))` with the prior's covariance T, the site's V and
        the photo's own variance n. Draws that are 0 stay 0.

        Args:
            predictive: Of the model that this calibration belongs to.
        """
        if len(self.cuts) == 0:
            return predictive
        components = self.points(predictive.components)
        y = predictive.targets.sums(components)
        narrower = self._narrower(predictive.components, components)
        above = predictive.upper - predictive.y
        # A bound that was cut off at 0 would be further away: as far as the upper one.
        below = np.where(predictive.lower > 0, predictive.y - predictive.lower, above)
        columns = list(predictive.targets.component_columns)
        draws = self._draws(predictive.draws[:, :, columns], narrower[:, columns])
        return replace(
            predictive,
            components=components,
            lower=np.maximum(y - below * narrower, 0.0),
            upper=y + above * narrower,
            draws=predictive.targets.sums(draws),
        )

    def apply_ensemble(self, prediction: EnsemblePrediction) -> EnsemblePrediction:
        """As `apply`; of what errors on a site share, only what is not known yet stays shared.

        How unlike the training photos a photo is, and how far folds disagree, stays as it was.

        Args:
            prediction: Of the model that this calibration belongs to.
        """
        before, after = prediction.predictive, self.apply(prediction.predictive)
        if len(self.cuts) == 0 or not before.image_ids:
            return prediction
        first = _quadratic(
            self.prior.target_design(before.components), self.prior.joint_covariance()
        )
        own = [_own(self.prior, each.components).mean(axis=0) for each in (before, after)]
        shared = self.variance(before.components).mean(axis=0)
        shared = shared / np.maximum(first.mean(axis=0), np.finfo(float).tiny)
        variance = tuple(
            ErrorVariance(between=float(old.between * share), within=float(old.within * grown))
            for old, share, grown in zip(prediction.variance, shared, own[1] / own[0], strict=True)
        )
        return replace(prediction, predictive=after, variance=variance)

    def variance(self, components: Floats) -> Floats:
        """What the site adds to the errors' variance, shape (photo, target), units squared."""
        return _quadratic(self.prior.target_design(components), self.covariance)

    def expected_error(self, components: Floats) -> float:
        """The root of the weighted mean square error that is expected of these photos."""
        total = self.variance(components) + _own(self.prior, self.points(components))
        return float(np.sqrt(total.mean(axis=0) @ np.array(self.prior.targets.weights)))

    def _narrower(self, before: Floats, after: Floats) -> Floats:
        """Factors of the widths, shape (photo, target)."""
        first = _quadratic(self.prior.target_design(before), self.prior.joint_covariance())
        now = self.variance(before) + _own(self.prior, after)
        return np.asarray(np.sqrt(now / (first + _own(self.prior, before))))

    def _draws(self, draws: Floats, narrower: Floats) -> Floats:
        """Move what is present in each draw, shape (draw, photo, component)."""
        present = draws > 0
        count = np.maximum(present.sum(axis=0), 1)
        mean = draws.sum(axis=0) / count
        moved = self.points(mean) + narrower * (draws - mean)
        return np.where(present, np.maximum(moved, 0.0), 0.0)

    def to_plain(self) -> dict[str, Any]:
        """Numbers, strings and lists only, in full precision."""
        return {
            "model": self.model,
            "prior": self.prior.to_plain(),
            "shift": self.shift.tolist(),
            "covariance": self.covariance.tolist(),
            "cuts": [
                {"image_id": name, "weighed": _weighed(row, self.prior.targets.names)}
                for name, row in zip(self.cuts.image_ids, self.cuts.y.tolist(), strict=True)
            ],
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Undo `to_plain`.

        Raises:
            KeyError: Something is missing.
            ValueError: The shapes do not fit each other.
        """
        prior = SitePrior.from_plain(plain["prior"])
        n = len(prior.targets.components)
        rows = [{"image_id": cut["image_id"], **cut["weighed"]} for cut in plain["cuts"]]
        columns = ["image_id", *prior.targets.names]
        return cls(
            prior=prior,
            shift=shaped(plain["shift"], (n, 2)),
            covariance=shaped(plain["covariance"], (2 * n, 2 * n)),
            cuts=Weighing.from_frame(pd.DataFrame(rows, columns=columns), prior.targets),
            model=str(plain["model"]),
        )


def calibrate(
    predictive: Predictive, cuts: pd.DataFrame, *, prior: SitePrior, model: str = ""
) -> SiteCalibration:
    """Learn a site's scale and offset of each component from its cuts.

    Bayesian linear regression with known noise (Gelman et al. 2013, Bayesian Data Analysis,
    chapter 14): the prior is `SitePrior`'s, centred on scale 1 and offset 0; each cut adds what was
    weighed of it, also where that is a sum only, whose equation then is of several components at
    once. Two cuts count as one, a likelihood to the power of 1/2: photos of one visit err together
    in more ways than a scale and an offset, and a power below 1 is what keeps updating safe where
    the model is wrong (Bissiri, Holmes and Walker 2016, JRSS-B 78:1103; Gruenwald and van Ommen
    2017, Bayesian Analysis 12:1069). Without cuts the predictions stay what they are; no cut makes
    the site less certain.

    Args:
        predictive: The model's predictions, of the cut photos among others.
        cuts: Column `image_id` and targets; NaN, or no column, where it was not weighed.
        prior: As `learn_prior` finds it in the model's inner tables.
        model: The fingerprint of the model.

    Raises:
        UnknownCutsError: A cut is of a photo that was not predicted.
        ValueError: A photo is cut twice, or a mass is negative or infinite.
    """
    return calibrate_weighed(
        predictive, Weighing.from_frame(cuts, predictive.targets), prior=prior, model=model
    )


def calibrate_weighed(
    predictive: Predictive, cuts: Weighing, *, prior: SitePrior, model: str = ""
) -> SiteCalibration:
    """As `calibrate`, of cuts already read.

    Raises:
        UnknownCutsError: A cut is of a photo that was not predicted.
    """
    components = predictive.components[rows_of(predictive, cuts)]
    joint = prior.joint_covariance()
    gram, product = np.zeros_like(joint), np.zeros(len(joint))
    designs, noises = prior.target_design(components), prior.target_noise(components)
    missed = cuts.y - predictive.targets.sums(components)
    for number, rows in enumerate(cuts.equations()):
        design = designs[number, rows]
        weighed = TRUST * np.linalg.solve(noises[number][np.ix_(rows, rows)], design).T
        gram += weighed @ design
        product += weighed @ missed[number, rows]
    covariance = posterior(joint, gram)
    shift = (covariance @ product).reshape(-1, 2)
    return SiteCalibration(prior, shift, covariance, cuts, model)


def posterior(covariance: Floats, gram: Floats) -> Floats:
    """The covariance after observations of information `gram`; a singular one is fine."""
    found = np.linalg.solve(np.eye(len(covariance)) + covariance @ gram, covariance)
    return np.asarray((found + found.T) / 2)


def rows_of(predictive: Predictive, cuts: Weighing) -> NDArray[np.int64]:
    """Where each cut's photo stands among the predictions.

    Raises:
        UnknownCutsError: A cut is of a photo that was not predicted.
    """
    place = {name: row for row, name in enumerate(predictive.image_ids)}
    unknown = [name for name in cuts.image_ids if name not in place]
    if unknown:
        raise UnknownCutsError(unknown, n_photos=len(place))
    return np.array([place[name] for name in cuts.image_ids], dtype=np.int64)


def _quadratic(design: Floats, covariance: Floats) -> Floats:
    """Of each row of a design, its square under a covariance; shape (photo, target)."""
    found = np.einsum("ptk,kl,ptl->pt", design, covariance, design, optimize=True)
    return np.asarray(np.maximum(found, 0.0), dtype=np.float64)


def _own(prior: SitePrior, components: Floats) -> Floats:
    """Variance of a photo's own errors, shape (photo, target)."""
    return np.asarray(np.diagonal(prior.target_noise(components), axis1=1, axis2=2))


def _weighed(row: list[float], names: tuple[str, ...]) -> dict[str, float]:
    return {name: value for name, value in zip(names, row, strict=True) if np.isfinite(value)}
