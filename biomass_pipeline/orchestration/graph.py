"""The composition root: one project becomes one set of Dagster definitions."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from biomass_pipeline.assets import Blueprint, Reporter, build_assets
from biomass_pipeline.evaluation import protocols_of
from biomass_pipeline.features import backbone_identity, extraction_fingerprint
from biomass_pipeline.isolation import Isolation
from biomass_pipeline.orchestration.automation import automation_condition
from biomass_pipeline.orchestration.checks import build_checks
from biomass_pipeline.orchestration.everything import everything_job
from biomass_pipeline.orchestration.executors import executor_of
from biomass_pipeline.orchestration.faults import persevering
from biomass_pipeline.orchestration.io_managers import (
    Checkpoints,
    Documents,
    FeatureHandles,
    ParquetTables,
)
from biomass_pipeline.orchestration.jobs import jobs
from biomass_pipeline.orchestration.lookout import settling_of
from biomass_pipeline.orchestration.partitions import (
    fold_partitions,
    other_folds,
    protocol_partitions,
)
from biomass_pipeline.orchestration.provenance import traced
from biomass_pipeline.orchestration.resources import (
    CheckpointFolder,
    ConfigFile,
    ConfiguredBackbone,
    LabelFile,
    LedgerFile,
    LogReporter,
    PhotoFolder,
    StudyFolder,
    feature_store,
)
from biomass_pipeline.orchestration.retention import clean_up_job
from biomass_pipeline.orchestration.schedules import build_schedules, catch_up_job
from biomass_pipeline.orchestration.sensors import build_sensors
from biomass_pipeline.project import Project


def blueprint_of(project: Project, *, resources: Mapping[str, object] | None = None) -> Blueprint:
    """What decides the graph of a project.

    Args:
        project: Whose configuration it is.
        resources: Where files are kept, for automation to notice that one was deleted.
    """
    config = project.config
    notes = ("RANDOM WEIGHTS: an untrained network, for tests only.",)
    return Blueprint(
        config=config,
        extraction=extraction_fingerprint(
            config, backbone_identity(config.backbone, base=project.base)
        ),
        folds=fold_partitions(config.folds.n_folds),
        protocols=protocol_partitions([each.key for each in protocols_of(config)]),
        other_folds=other_folds(config.folds.n_folds),
        notes=notes if config.backbone.random_weights else (),
        automation=automation_condition(resources),
        around=lambda body: persevering(traced(body)),
    )


def build_resources(
    project: Project, *, reporter: Reporter | None = None, settle: bool = False
) -> dict[str, Any]:
    """What fulfils the assets' seams, on disk under the project's root folder.

    Args:
        project: Whose files they are.
        reporter: Where progress is shown; Dagster's log if None.
        settle: Leave alone photos that are still being written, as if they were not there yet.
    """
    config, layout, base = project.config, project.layout, project.base
    settings = ConfigFile(project)
    features = feature_store(project)
    return {
        "io_manager": ParquetTables(layout),
        "feature_handles": FeatureHandles(features, blueprint_of(project).extraction),
        "model_handles": Checkpoints(layout),
        "documents": Documents(layout),
        "settings": settings,
        "photos": PhotoFolder(
            config.data,
            base,
            layout.image_sidecar,
            config.imaging,
            settling=settling_of(project) if settle else None,
            isolation=Isolation.of(config.compute),
        ),
        "labels": LabelFile(config.data, base),
        "ledger": LedgerFile(layout),
        "backbone": ConfiguredBackbone(
            config,
            base,
            backbone_identity(config.backbone, base=base),
        ),
        "features": features,
        "checkpoints": CheckpointFolder(layout),
        "studies": StudyFolder(layout, config.tuning.storage),
        "reporter": reporter or LogReporter(),
    }


def build_definitions(
    project: Project, *, resources: Mapping[str, Any] | None = None
) -> dg.Definitions:
    """The assets, checks, jobs and resources of a project.

    Args:
        project: Whose configuration decides partitions and code versions.
        resources: Others than those on disk, for tests.
    """
    kept = dict(resources if resources is not None else build_resources(project))
    blueprint = blueprint_of(project, resources=kept)

    # Made where a job runs: there it starts runs of this very graph.
    def again() -> dg.Definitions:
        return build_definitions(project, resources=kept)

    return dg.Definitions(
        assets=build_assets(blueprint),
        asset_checks=build_checks(project.config),
        jobs=[
            *jobs(),
            everything_job(project, again),
            catch_up_job(project, again),
            clean_up_job(project),
        ],
        sensors=build_sensors(project),
        schedules=build_schedules(project),
        resources=kept,
        executor=executor_of(project.config.compute),
    )
