"""What must hold of photos without labels, their features and their predictions."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from biomass_pipeline.config import Config
from biomass_pipeline.evaluation import (
    Finding,
    check_bounds,
    check_mean_shift,
    check_outside,
    check_predicted_sums,
    check_schema,
    listed,
    mean_shift,
    pooled_means,
    prediction_schema,
)
from biomass_pipeline.orchestration.checks.rules import WARN, Rule
from biomass_pipeline.store import Cache


def newcomer_rules(config: Config) -> list[Rule]:
    """Of `predictions`, whose ancestors are all that is read: nothing else need be there."""
    schema = prediction_schema(config.evaluation)

    def new_photos_are_like_known_ones(
        inference_features: Cache, feature_cache: dict[int, Cache], fold_assignment: pd.DataFrame
    ) -> Finding:
        """Photos without labels are no further from the known groups than these are."""
        return _shift(inference_features, feature_cache, fold_assignment)

    def predictions_are_usable(predictions: pd.DataFrame) -> Finding:
        """Columns are there, predictions are finite and not negative, and bounds are nested."""
        found = check_schema(predictions, schema)
        return found if not found.passed else check_bounds(predictions, config.evaluation)

    def new_sums_hold(predictions: pd.DataFrame) -> Finding:
        """Predicted sums are exactly those of their parts."""
        return check_predicted_sums(predictions, config.data)

    def each_new_photo_is_predicted(
        predictions: pd.DataFrame, image_manifest: pd.DataFrame, inference_features: Cache
    ) -> Finding:
        """Every usable photo without label is predicted, or was refused with a reason."""
        fresh = image_manifest[(image_manifest["status"] == "ok") & ~image_manifest["labelled"]]
        refused = {photo.image_id for photo in inference_features.quarantined()}
        expected, found = set(fresh["image_id"]) - refused, set(predictions["image_id"])
        odd = sorted(expected ^ found)
        told = (
            f"{len(found)} of {len(expected)} photos without labels are predicted, "
            f"{len(refused)} were refused"
        )
        told += f"; not so {listed(odd)}." if odd else "."
        facts = {"predicted": len(found), "expected": len(expected), "refused": len(refused)}
        return Finding(not odd, told, pd.DataFrame({"image_id": odd}), facts)

    def new_photos_are_in_the_domain(predictions: pd.DataFrame) -> Finding:
        """Few photos without labels are less like the photos learnt from than 95 % of left-out."""
        photos = predictions.drop_duplicates("image_id").set_index("image_id")
        return check_outside(photos["ood_percentile"])

    return [
        Rule("predictions", predictions_are_usable, blocking=True),
        Rule("predictions", new_sums_hold, blocking=True),
        Rule("predictions", each_new_photo_is_predicted),
        Rule("predictions", new_photos_are_in_the_domain, WARN),
        Rule("predictions", new_photos_are_like_known_ones, WARN),
    ]


def _shift(fresh: Cache, known: Mapping[int, Cache], folds: pd.DataFrame) -> Finding:
    """The test of `mean_shift`, on pooled features: what is kept of a photo is a row."""
    new, group_of = fresh.load(), folds.set_index("image_id")["group"]
    pooled, groups = [], []
    for fold in sorted(known):
        features = known[fold].load()
        rows = [n for n, name in enumerate(features.image_ids) if name in group_of.index]
        if rows:
            pooled.append(pooled_means(features)[rows])
            groups += [str(group_of[features.image_ids[row]]) for row in rows]
    if not new.image_ids or not groups:
        told = "There are no photos without labels, or none to compare them with."
        return Finding(passed=True, sentence=told)
    found = mean_shift(
        pooled_means(new), np.concatenate(pooled), groups, chance=np.random.default_rng(0)
    )
    return check_mean_shift(found, n_new=len(new.image_ids))
