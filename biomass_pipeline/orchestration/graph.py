"""The composition root: one project becomes one set of Dagster definitions."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from biomass_pipeline.assets import Blueprint, Reporter, build_assets
from biomass_pipeline.evaluation import protocols_of
from biomass_pipeline.features import backbone_identity, extraction_fingerprint
from biomass_pipeline.orchestration.checks import build_checks
from biomass_pipeline.orchestration.io_managers import (
    Checkpoints,
    Documents,
    FeatureHandles,
    ParquetTables,
)
from biomass_pipeline.orchestration.jobs import jobs
from biomass_pipeline.orchestration.partitions import (
    fold_partitions,
    other_folds,
    protocol_partitions,
)
from biomass_pipeline.orchestration.resources import (
    CheckpointFolder,
    ConfigFile,
    ConfiguredBackbone,
    LabelFile,
    LedgerFile,
    LogReporter,
    PhotoFolder,
    StudyFolder,
)
from biomass_pipeline.project import Project
from biomass_pipeline.store import FeatureFolder


def blueprint_of(project: Project) -> Blueprint:
    """What decides the graph of a project."""
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
    )


def build_resources(project: Project, *, reporter: Reporter | None = None) -> dict[str, Any]:
    """What fulfils the assets' seams, on disk under the project's root folder."""
    config, layout, base = project.config, project.layout, project.base
    settings = ConfigFile(project)
    folder = FeatureFolder(layout)
    return {
        "io_manager": ParquetTables(layout),
        "feature_handles": FeatureHandles(folder, blueprint_of(project).extraction),
        "model_handles": Checkpoints(layout),
        "documents": Documents(layout),
        "settings": settings,
        "photos": PhotoFolder(config.data, base, layout.image_sidecar, config.imaging),
        "labels": LabelFile(config.data, base),
        "ledger": LedgerFile(layout),
        "backbone": ConfiguredBackbone(
            config,
            base,
            backbone_identity(config.backbone, base=base),
        ),
        "features": folder,
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
    blueprint = blueprint_of(project)
    return dg.Definitions(
        assets=build_assets(blueprint),
        asset_checks=build_checks(project.config.data),
        jobs=jobs(),
        resources=dict(resources if resources is not None else build_resources(project)),
        # A run is one small step after another; a process a step would cost more than the work.
        executor=dg.in_process_executor,
    )
