"""The configuration: frozen, validated once, hashed into fingerprints. Its defaults run."""

from biomass_pipeline.config.automation import AutomationConfig, EmailConfig, NotifyConfig
from biomass_pipeline.config.data import (
    CSIRO_IDENTITIES,
    CSIRO_TARGETS,
    DETECTION_LIMIT_G,
    DataConfig,
    Section,
    TargetConfig,
)
from biomass_pipeline.config.judging import (
    EvaluationConfig,
    ProtocolsConfig,
    SearchConfig,
    TuningConfig,
)
from biomass_pipeline.config.learning import (
    AGGREGATORS,
    LOSSES,
    AugmentationConfig,
    RidgeConfig,
    TrainingConfig,
)
from biomass_pipeline.config.loading import (
    CONFIG_VARIABLE,
    DEFAULT_FILE,
    ENVIRONMENT_PREFIX,
    find_config_file,
    fingerprint,
    load_config,
    parse_config,
)
from biomass_pipeline.config.record import differing, presentable, recorded
from biomass_pipeline.config.sections import (
    BackboneConfig,
    CacheConfig,
    ComputeConfig,
    Config,
    FoldsConfig,
    ImagingConfig,
    RayConfig,
    TilingConfig,
)

__all__ = [
    "AGGREGATORS",
    "CONFIG_VARIABLE",
    "CSIRO_IDENTITIES",
    "CSIRO_TARGETS",
    "DEFAULT_FILE",
    "DETECTION_LIMIT_G",
    "ENVIRONMENT_PREFIX",
    "LOSSES",
    "AugmentationConfig",
    "AutomationConfig",
    "BackboneConfig",
    "CacheConfig",
    "ComputeConfig",
    "Config",
    "DataConfig",
    "EmailConfig",
    "EvaluationConfig",
    "FoldsConfig",
    "ImagingConfig",
    "NotifyConfig",
    "ProtocolsConfig",
    "RayConfig",
    "RidgeConfig",
    "SearchConfig",
    "Section",
    "TargetConfig",
    "TilingConfig",
    "TrainingConfig",
    "TuningConfig",
    "differing",
    "find_config_file",
    "fingerprint",
    "load_config",
    "parse_config",
    "presentable",
    "recorded",
]
