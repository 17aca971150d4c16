"""What a bundle's JSON says: settings, versions, facts of each fold. Unknown keys are refused."""

from typing import Any, Literal

from pydantic import Field

from biomass_pipeline.config import (
    BackboneConfig,
    CacheConfig,
    Config,
    DataConfig,
    EvaluationConfig,
    ImagingConfig,
    Section,
    TilingConfig,
    TrainingConfig,
)

ModelName = Literal["auto", "mil", "ridge", "stack"]
# Raise it when the files of a bundle change their layout.
SCHEMA_VERSION = 1


class RidgeRecord(Section):
    """One machine of a fold's ridge; its arrays are in the fold's file."""

    transform: str
    relevance: float
    machine: Literal["linear", "kernel"]


class FoldRecord(Section):
    """One fold's models; their arrays are in the fold's file.

    Attributes:
        sha256: Of the file.
        n_bytes: Of the file.
        feature_dim: Width of a tile's features.
        network: Fingerprint of the networks' training.
        training: What the networks are made of.
        best_epochs: One a network: the epoch whose weights it has.
        has_ranks: Whether the networks predict distributions.
        ridge: Fingerprint of the ridge.
        poolings: What a photo's tiles are pooled by, for the ridge.
        machines: One a transform of the labels.
    """

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    n_bytes: int = Field(ge=1)
    feature_dim: int = Field(ge=1)
    network: str
    training: TrainingConfig
    best_epochs: tuple[int, ...] = Field(min_length=1)
    has_ranks: bool
    ridge: str
    poolings: tuple[str, ...] = Field(min_length=1)
    machines: tuple[RidgeRecord, ...] = Field(min_length=1)


class ExtractionRecord(Section):
    """What the features were made by.

    Attributes:
        fingerprint: Of the extraction.
        decoder: Versions of what decides pixels.
        backbone: The backbone's identity.
    """

    fingerprint: str
    decoder: str
    backbone: dict[str, str]


class SettingsRecord(Section):
    """The parts of the configuration that read, tile and embed a photo and say what is predicted.

    Places of photos and labels are none of them.
    """

    name: str
    data: DataConfig
    tiling: TilingConfig
    imaging: ImagingConfig
    backbone: BackboneConfig
    cache: CacheConfig
    evaluation: EvaluationConfig

    def config(self) -> Config:
        """As a configuration; its other sections are the defaults and mean nothing."""
        return Config(**{name: getattr(self, name) for name in type(self).model_fields})


class BundleRecord(Section):
    """All of `bundle.json`.

    Attributes:
        schema_version: Of the layout.
        package_version: Of the package that wrote it.
        code_version: Of the learning code that trained the models.
        versions: Of what else was installed there; for people.
        fingerprint: Of all that decides a prediction.
        model: Which model of each fold predicts.
        extraction: What the features were made by.
        settings: How photos are read and tiled, and what is predicted.
        photos: Ids of the training photos, which arrays name by place.
        groups: Their groups, likewise.
        folds: One a fold.
    """

    schema_version: int
    package_version: str
    code_version: str
    versions: dict[str, str]
    fingerprint: str
    model: ModelName
    extraction: ExtractionRecord
    settings: SettingsRecord
    photos: tuple[str, ...]
    groups: tuple[str, ...]
    folds: tuple[FoldRecord, ...] = Field(min_length=1)


# Of the settings, what says where something lies here: it neither travels nor decides anything.
STAYS_HERE = {"cache": {"read_from"}}


def settings_of(config: Config) -> SettingsRecord:
    """The parts of a configuration that travel; a private path is left behind, its name is not."""
    data = config.data.model_copy(update={"images": "", "labels": "", "submission": None})
    checkpoint = config.backbone.checkpoint
    name = checkpoint.replace("\\", "/").rpartition("/")[2] if checkpoint else None
    parts: dict[str, Any] = {
        "name": config.name,
        "data": data,
        "backbone": config.backbone.model_copy(update={"checkpoint": name}),
    }
    for section in ("tiling", "imaging", "cache", "evaluation"):
        parts[section] = getattr(config, section)
    return SettingsRecord(**parts)
