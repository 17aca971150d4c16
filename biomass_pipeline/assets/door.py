"""The door: photos and labels become tables, and what cannot be trusted is quarantined."""

import dagster as dg
import pandas as pd

from biomass_pipeline.assets.blueprint import (
    Blueprint,
    FoldLedger,
    LabelSource,
    PhotoSource,
    table_result,
)
from biomass_pipeline.assets.pages import folds_page, lines_of, table_of
from biomass_pipeline.folds import assign_folds
from biomass_pipeline.manifest import check_quarantine
from biomass_pipeline.manifest import label_table as join_labels

_GROUP = "door"
# Raise one when the code of its table changes what it holds.
_MANIFEST_CODE, _LABELS_CODE, _FOLDS_CODE = "4", "1", "1"


def door_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """`image_manifest`, `label_table` and `fold_assignment`."""
    data, folds = blueprint.config.data, blueprint.config.folds
    # Where the files are and how results are weighed does not change what the tables hold.
    parsing = data.model_dump(
        mode="json",
        exclude={"images", "labels", "submission", "quadrat_area_m2", "max_quarantined_fraction"},
    )

    @blueprint.asset(
        _GROUP,
        code=_MANIFEST_CODE,
        decides={"data": parsing},
        kinds=_TABLE,
        deps=["raw_images", "raw_labels"],
    )
    def image_manifest(
        photos: dg.ResourceParam[PhotoSource], labels: dg.ResourceParam[LabelSource]
    ) -> dg.MaterializeResult[pd.DataFrame]:
        """Every photo with its content hash, size in pixels, and why it is quarantined if it is.

        One row a photo file. Made of the folder of photos, and of the label file for what is
        labelled.
        """
        table = photos.manifest(labels.read())
        quarantined = table[table["status"] == "quarantined"][["path", "reason"]]
        return table_result(
            table,
            labelled=int(table["labelled"].sum()),
            quarantined=len(quarantined),
            quarantine=table_of(quarantined),
        )

    @blueprint.asset(
        _GROUP,
        code=_LABELS_CODE,
        decides={"data": parsing, "data.max_quarantined_fraction": data.max_quarantined_fraction},
        kinds=_TABLE,
        deps=["raw_labels"],
    )
    def label_table(
        image_manifest: pd.DataFrame, labels: dg.ResourceParam[LabelSource]
    ) -> dg.MaterializeResult[pd.DataFrame]:
        """One row a labelled photo: its targets, its group, and what else the file says.

        Targets are in the unit of the label file, grams of dry matter in the quadrat unless
        configured otherwise. Made of the label file and the photos that are not quarantined.
        """
        check_quarantine(image_manifest, limit=data.max_quarantined_fraction)
        sheet = labels.read()
        table = join_labels(sheet, image_manifest, spec=data)
        targets = table[list(data.target_names)].describe().T.reset_index(names="target")
        return table_result(
            table,
            data,
            groups=int(table["group"].nunique()),
            warnings=len(sheet.warnings),
            warning_list=lines_of(sheet.warnings),
            targets=table_of(targets),
        )

    @blueprint.asset(
        _GROUP,
        code=_FOLDS_CODE,
        decides={
            "folds": folds,
            "data.group_columns": data.group_columns,
            "heaviest target": data.heaviest_target,
        },
        kinds=_TABLE,
    )
    def fold_assignment(
        label_table: pd.DataFrame, ledger: dg.ResourceParam[FoldLedger]
    ) -> dg.MaterializeResult[pd.DataFrame]:
        """Which fold holds each photo out. A group stays together, and stays where it is.

        One row a labelled photo. Made of the groups of the label table; new groups go to the
        emptiest fold, and groups that were dealt before keep theirs.
        """
        total = label_table[data.heaviest_target]
        with ledger.held():
            assignment = assign_folds(
                label_table[["image_id", "group"]].assign(total=total),
                spec=folds,
                group_columns=data.group_columns,
                ledger=ledger.read(),
            )
            ledger.write(assignment.ledger)
        return table_result(
            assignment.table, **folds_page(assignment.table, label_table, data=data)
        )

    return [image_manifest, label_table, fold_assignment]


_TABLE = {"parquet", "pandas"}
