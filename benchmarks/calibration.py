"""What a few cuts of one's own are worth: error by number of cuts over simulated sites.

Usage: python benchmarks/calibration.py [RESULT.json]. Surveys of 20 sessions teach the prior. On
new sites predictions are off by a scale and an offset of each component, drawn at random, and
photos err by themselves, heavy ones more. Errors are of photos that are never cut, weighted by
target as the metric is, over those of the same photos uncalibrated: means over sites. Also how
often 90 % intervals of the total hold, on how many sites 3 cuts made it worse by more than 5 %,
what follows when the leave-one-out verdict is obeyed, what totals alone are worth, and what planned
cuts are worth against cuts as they come.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from verdicts import Target, finish

from biomass_pipeline.config import DataConfig, EvaluationConfig
from biomass_pipeline.inference.calibration import SiteCalibration, calibrate
from biomass_pipeline.inference.cross_check import cross_check
from biomass_pipeline.inference.planning import next_cuts
from biomass_pipeline.inference.shifts import SitePrior, learn_prior
from biomass_pipeline.inference.weighing import Weighing
from biomass_pipeline.mil.calibration import InnerTable
from biomass_pipeline.mil.predictive import PredictionSpec, Predictive, predictive_of
from biomass_pipeline.mil.targets import TargetSpec
from biomass_pipeline.synthetic import COMPONENTS
from biomass_pipeline.synthetic.sites import SiteSpec, draw_sites

Floats = NDArray[np.float64]

N_SITES, SITES_A_SURVEY, N_GROUPS, PHOTOS_A_GROUP = 200, 10, 20, 12
CUTS, N_CUTTABLE = (3, 5, 10, 30), 30
WORST, GAIN = 1.05, 1.0
TARGETS = TargetSpec.from_config(DataConfig())
SPEC = PredictionSpec.from_config(EvaluationConfig())
TOTAL = TARGETS.names.index("Dry_Total_g")
LIKE, NONE, FAR = SiteSpec(), SiteSpec().unshifted(), SiteSpec(scale_sd=0.6, offset_sd=0.3)
# What the survey's sessions were like, and what the new sites are.
SITUATIONS = {
    "sites differ as sessions did": (LIKE, LIKE),
    "neither differs": (NONE, NONE),
    "only sessions differed": (LIKE, NONE),
    "only sites differ": (NONE, LIKE),
    "sites differ much more": (LIKE, FAR),
}
_ORDER = [COMPONENTS.index(name) for name in TARGETS.components]


@dataclass(frozen=True)
class Site:
    """A new site, and what the model says of it."""

    prior: SitePrior
    predictive: Predictive
    truth: Floats
    looks: Floats

    def cuts(self, rows: list[int], columns: list[str] | None = None) -> pd.DataFrame:
        """The table of these photos' masses."""
        table = pd.DataFrame(self.truth[rows], columns=list(TARGETS.names))
        names = [self.predictive.image_ids[row] for row in rows]
        return table[columns or list(TARGETS.names)].assign(image_id=names)

    def fitted(self, rows: list[int], columns: list[str] | None = None) -> SiteCalibration:
        """Calibrated by these photos."""
        return calibrate(self.predictive, self.cuts(rows, columns), prior=self.prior)

    def error(self, predictive: Predictive) -> float:
        """Weighted root mean square error of the photos that are never cut."""
        square = (predictive.y - self.truth)[N_CUTTABLE:] ** 2
        return float(np.sqrt(square.mean(axis=0) @ np.array(TARGETS.weights)))

    def covered(self, predictive: Predictive) -> float:
        """The share of their totals in the 90 % interval."""
        inside = (predictive.lower[-1] <= self.truth) & (self.truth <= predictive.upper[-1])
        return float(inside[N_CUTTABLE:, TOTAL].mean())


def main() -> None:
    """Run all situations, print the table, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path, nargs="?")
    result = parser.parse_args().result
    found = {name: measure(*specs) for name, specs in SITUATIONS.items()}
    columns = list(next(iter(found.values())))
    print(f"{'mean over ' + str(N_SITES) + ' sites':<32}" + "".join(f"{c:>12}" for c in columns))
    for name, line in found.items():
        print(f"{name:<32}" + "".join(f"{line[column]:12.3f}" for column in columns))
    print()
    at_3 = [line["3 cuts"] for line in found.values()]
    falls = [
        float(np.diff([1.0, *(line[f"{n} cuts"] for n in CUTS)]).max())
        for line in (found["sites differ as sessions did"], found["sites differ much more"])
    ]
    finish(
        result,
        ratios={},
        targets=[
            Target("3 cuts, worst situation, times the error", WORST, max(at_3), at_most=True),
            Target(
                "30 cuts where sites differ, times the error",
                GAIN,
                found["sites differ as sessions did"]["30 cuts"],
                at_most=True,
            ),
            Target(
                "largest rise from fewer to more cuts, shifted sites", 0.0, max(falls), at_most=True
            ),
        ],
        details={"situations": found, "n_sites": N_SITES},
    )


def measure(survey: SiteSpec, sites: SiteSpec) -> dict[str, float]:
    """All figures of one situation, means over sites."""
    found: dict[str, list[float]] = defaultdict(list)
    for site in _sites(survey, sites):
        before = site.error(site.predictive)
        found["grams"].append(before)
        found["cover 0"].append(site.covered(site.predictive))
        for n in CUTS:
            after = site.fitted(list(range(n))).apply(site.predictive)
            found[f"{n} cuts"].append(site.error(after))
            if n in (3, 30):
                found[f"cover {n}"].append(site.covered(after))
        found["worse 3"].append(float(found["3 cuts"][-1] > WORST * before))
        check = cross_check(
            site.predictive, Weighing.from_frame(site.cuts([*range(5)]), TARGETS), prior=site.prior
        )
        found["5 obeyed"].append(found["5 cuts"][-1] if check.recommended else before)
        found["5 totals"].append(_applied(site, [*range(5)], ["Dry_Total_g"]))
        found["5 planned"].append(_applied(site, _planned(site, 5)))
    before = float(np.mean(found["grams"]))
    plain = {"grams", "cover 0", "cover 3", "cover 30", "worse 3"}
    return {
        name: float(np.mean(values)) / (1.0 if name in plain else before)
        for name, values in found.items()
    }


def _applied(site: Site, rows: list[int], columns: list[str] | None = None) -> float:
    return site.error(site.fitted(rows, columns).apply(site.predictive))


def _planned(site: Site, n: int) -> list[int]:
    """Photos chosen among those that may be cut."""
    some = site.predictive
    cuttable = replace(
        some,
        image_ids=some.image_ids[:N_CUTTABLE],
        components=some.components[:N_CUTTABLE],
        lower=some.lower[:, :N_CUTTABLE],
        upper=some.upper[:, :N_CUTTABLE],
        draws=some.draws[:, :N_CUTTABLE],
    )
    nothing = calibrate(cuttable, site.cuts([]), prior=site.prior)
    chosen = next_cuts(cuttable, site.looks[:N_CUTTABLE], n, site=nothing)
    return [some.image_ids.index(cut.image_id) for cut in chosen]


def _sites(survey: SiteSpec, sites: SiteSpec) -> Iterator[Site]:
    for number in range(N_SITES):
        chance = np.random.default_rng([number, 7])
        if number % SITES_A_SURVEY == 0:
            inner = _inner(survey, chance)
            prior = learn_prior([inner], targets=TARGETS)
        drawn = next(draw_sites(1, spec=sites, chance=chance))
        components = drawn.predicted[:, _ORDER]
        names = tuple(f"p{row:03d}" for row in range(len(components)))
        # What photos look like follows what grows on them, and much else.
        mixed = np.log1p(components) @ chance.normal(size=(3, 32))
        looks = mixed + chance.normal(size=mixed.shape)
        predictive = predictive_of(names, components, inner=inner, targets=TARGETS, spec=SPEC)
        yield Site(prior, predictive, TARGETS.sums(drawn.weighed[:, _ORDER]), looks)


def _inner(spec: SiteSpec, chance: np.random.Generator) -> InnerTable:
    drawn = list(draw_sites(N_GROUPS, spec=replace(spec, n_photos=PHOTOS_A_GROUP), chance=chance))
    predicted = np.concatenate([site.predicted for site in drawn])[:, _ORDER]
    return InnerTable(
        image_ids=np.array([f"t{row}" for row in range(len(predicted))]),
        groups=np.repeat([f"g{group}" for group in range(N_GROUPS)], PHOTOS_A_GROUP),
        y=TARGETS.sums(np.concatenate([site.weighed for site in drawn])[:, _ORDER]),
        components=predicted,
    )


if __name__ == "__main__":
    main()
