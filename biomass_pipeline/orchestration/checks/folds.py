"""What must hold of the folds: nothing that is learnt from is held out as well."""

import pandas as pd

from biomass_pipeline.config import Config
from biomass_pipeline.evaluation import FOLDS, Finding, check_fold_balance, check_schema, listed
from biomass_pipeline.manifest import CERTAIN_BITS, near_duplicates
from biomass_pipeline.orchestration.checks.rules import WARN, Rule

_BY_GROUP = "leave_one_group_out"


def fold_rules(config: Config) -> list[Rule]:
    """Of `fold_assignment`."""

    def folds_are_well_formed(fold_assignment: pd.DataFrame) -> Finding:
        """Columns are there, and each photo is in one fold."""
        return check_schema(fold_assignment, FOLDS)

    def no_group_straddles_folds(fold_assignment: pd.DataFrame) -> Finding:
        """Photos of one group are held out together."""
        folds = fold_assignment.groupby("group")["fold"].nunique()
        straddling = folds[folds > 1].rename("folds").reset_index()
        told = f"{len(straddling)} of {len(folds)} groups are in more than one fold."
        return Finding(not len(straddling), told, straddling, {"groups": len(folds)})

    def no_photo_is_on_both_sides(
        fold_assignment: pd.DataFrame, image_manifest: pd.DataFrame
    ) -> Finding:
        """No picture is there twice in different groups; only certain copies block."""
        photos = fold_assignment[["image_id", "group", "fold"]].merge(
            image_manifest[image_manifest["status"] == "ok"][
                ["image_id", "sha256", "perceptual_hash"]
            ],
            on="image_id",
        )
        pairs = near_duplicates(photos)
        folds = photos.set_index("image_id")["fold"]
        pairs["folds"] = [
            f"{folds[first]} and {folds[second]}"
            for first, second in zip(pairs["first"], pairs["second"], strict=True)
        ]
        names = [f"{a} and {b}" for a, b in zip(pairs["first"], pairs["second"], strict=True)]
        told = (
            f"{len(pairs)} pair(s) of photos in different groups show the same picture: "
            f"{listed(names, most=5)}. To do: remove one of each pair, or give both the same "
            f"value in `data.group_columns`."
            if len(pairs)
            else f"None of {len(photos)} photos looks like one of another group."
        )
        certain = int((pairs["bits"] <= CERTAIN_BITS).sum())
        facts = {"photos": len(photos), "certain_pairs": certain}
        return Finding(not len(pairs), told, pairs, facts, grave=bool(certain))

    def folds_are_balanced(fold_assignment: pd.DataFrame, label_table: pd.DataFrame) -> Finding:
        """Folds are alike in photos, groups and mean label."""
        return check_fold_balance(
            fold_assignment,
            label_table,
            target=config.data.heaviest_target,
            n_folds=config.folds.n_folds,
            by_group=config.folds.strategy == _BY_GROUP,
        )

    return [
        Rule("fold_assignment", folds_are_well_formed, blocking=True),
        Rule("fold_assignment", no_group_straddles_folds, blocking=True),
        Rule("fold_assignment", no_photo_is_on_both_sides, blocking=True),
        Rule("fold_assignment", folds_are_balanced, WARN),
    ]
