"""Validation: other ways to hold photos out, off the way to the report, and their comparison."""

import dagster as dg
import pandas as pd

from biomass_pipeline import mil
from biomass_pipeline.assets.blueprint import (
    GPU_POOL,
    Blueprint,
    Settings,
    table_result,
)
from biomass_pipeline.assets.learning import meaning_of
from biomass_pipeline.assets.lesson import Lesson
from biomass_pipeline.config import fingerprint
from biomass_pipeline.evaluation import compare_protocols, protocols_of, run_protocol
from biomass_pipeline.store import Cache

_GROUP = "validation"
# Raise one when its code changes what it holds.
_PROTOCOL_CODE, _COMPARISON_CODE = "1", "1"


def validation_assets(blueprint: Blueprint) -> list[dg.AssetsDefinition]:
    """`protocol_predictions`, one partition a protocol, and `protocols`."""
    config = blueprint.config
    known = {protocol.key: protocol for protocol in protocols_of(config)}

    # A partition's key names all that decides its protocol: another setting is another partition.
    @blueprint.asset(
        _GROUP,
        automated=False,
        code=f"{_PROTOCOL_CODE}-{mil.CODE_VERSION}",
        decides={
            **meaning_of(blueprint),
            "evaluation": blueprint.judging,
            "evaluation.protocols.n_networks": config.evaluation.protocols.n_networks,
            "group columns left out": config.data.group_columns,
            "column of dates": config.data.date_column,
        },
        partitioned=blueprint.protocols,
        kinds={"parquet", "pytorch"},
        ins={"feature_cache": dg.AssetIn(partition_mapping=dg.AllPartitionMapping())},
        deps=["training_config"],
        pool=GPU_POOL,
    )
    def protocol_predictions(
        context: dg.AssetExecutionContext,
        feature_cache: dict[int, Cache],
        label_table: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult[pd.DataFrame]:
        """Photos held out in another way, predicted by every kind of model on the same features.

        One row a split, model, photo and target, in the target's unit; one partition a protocol.
        Optional: it runs only when it is asked for.
        """
        current = blueprint.with_training(settings.load())
        lesson = Lesson.gather(feature_cache, label_table, config=current)
        table = run_protocol(
            known[context.partition_key],
            lesson.features,
            lesson.labels,
            config=current,
            device=settings.device(),
        )
        return table_result(table, photos=int(table["image_id"].nunique()))

    @blueprint.asset(
        _GROUP,
        automated=False,
        code=_COMPARISON_CODE,
        # Dagster does not notice that a partition is gone, so which there are is a part of it.
        decides={
            "weights of targets": config.data.target_weights,
            "evaluation": blueprint.judging,
            "protocols": list(known),
        },
        kinds={"json"},
        io_manager_key="documents",
    )
    def protocols(
        protocol_predictions: dict[str, pd.DataFrame], label_table: pd.DataFrame
    ) -> dg.MaterializeResult[dict[str, object]]:
        """Scores of every model under each protocol, with the optimistic one named.

        Made of the predictions of every protocol. Optional: it runs only when it is asked for.
        """
        comparison = compare_protocols(protocol_predictions, label_table, config=config)
        return dg.MaterializeResult(
            value=comparison,
            data_version=dg.DataVersion(fingerprint(comparison)),
            metadata={"protocols": len(protocol_predictions)},
        )

    return [protocol_predictions, protocols]
