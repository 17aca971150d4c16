"""The other sections, and the whole. Their defaults run."""

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from biomass_pipeline.config.automation import AutomationConfig
from biomass_pipeline.config.data import DataConfig, Section
from biomass_pipeline.config.judging import EvaluationConfig, TuningConfig
from biomass_pipeline.config.learning import TrainingConfig


class FoldsConfig(Section):
    """How groups of photos are held out."""

    n_folds: int = Field(default=5, ge=2, le=99, description="Parts, each held out once.")
    strategy: Literal["group_k_fold", "leave_one_group_out"] = Field(
        default="group_k_fold", description="Several groups a fold, or one."
    )
    seed: int = Field(default=0, description="Another one assigns every group anew.")


class TilingConfig(Section):
    """How a photo is cut into windows."""

    tile_px: int = Field(default=518, ge=8, description="Side of a window.")
    stride_px: int = Field(default=400, ge=1, description="Step from one window to the next.")
    border: Literal["clamped", "even"] = Field(
        default="clamped", description="clamped: the last tile is pulled back; even: even spacing."
    )

    @model_validator(mode="after")
    def _tiles_leave_no_gap(self) -> Self:
        if self.stride_px > self.tile_px:
            msg = f"stride_px {self.stride_px} leaves gaps between tiles of {self.tile_px} px"
            raise ValueError(msg)
        return self


class ImagingConfig(Section):
    """How photos are read; never changes a tile, so never part of a fingerprint."""

    stream_above_mpx: float = Field(
        default=50.0, gt=0, description="Megapixels above which a photo is never held whole."
    )

    @property
    def stream_above_px(self) -> int:
        """The same in pixels."""
        return int(self.stream_above_mpx * 1e6)


class BackboneConfig(Section):
    """The frozen network that embeds tiles."""

    name: str = Field(
        default="colour-texture-rcf", description="A registered name or alias, or timm:NAME."
    )
    checkpoint: str | None = Field(default=None, description="Local weights (.pth, .safetensors).")
    random_weights: bool = Field(
        default=False, description="For tests only: an untrained network, named in every output."
    )
    tokens: str = Field(
        default="cls",
        description="What stands for a tile: cls, cls+mean, mean+max+gem, grid:G, patches.",
    )
    layers: str = Field(
        default="last",
        description="Where it is read, after the final norm: last, last:N or blocks such as 5,11.",
    )
    views: Literal["identity", "flips", "dihedral"] = Field(
        default="identity", description="Each tile as it is, also mirrored, or all 8 symmetries."
    )
    view_rows: Literal["averaged", "separate"] = Field(
        default="averaged", description="One averaged row for all views, or a row a view."
    )
    precision: Literal["auto", "fp32", "bf16", "bf16-autocast"] = Field(
        default="auto", description="auto: the fastest whose rows have cosine >= 0.9999 to fp32."
    )
    compile: bool = Field(
        default=False, description="Compile the network first: pays for thousands of photos."
    )

    @field_validator("tokens")
    @classmethod
    def _tokens_are_known(cls, value: str) -> str:
        if not re.fullmatch(r"cls|cls\+mean|mean\+max\+gem|grid:[1-9]\d*|patches", value):
            msg = "expected cls, cls+mean, mean+max+gem, patches, or a grid such as grid:4"
            raise ValueError(msg)
        return value

    @field_validator("layers")
    @classmethod
    def _layers_are_known(cls, value: str) -> str:
        if not re.fullmatch(r"last|last:[1-9]\d*|\d+(,\d+)*", value):
            msg = "expected last, the last few such as last:4, or blocks such as 5,11"
            raise ValueError(msg)
        return value


class CacheConfig(Section):
    """How features are stored."""

    dtype: Literal["float16", "float32"] = Field(
        default="float16", description="Number type on disk; float16 is range-checked."
    )
    read_from: str | None = Field(
        default=None,
        description="Folder of `biomass cache export`: models read folds there, in whatever format "
        "it is, and nothing is embedded for them; null: the HDF5 cache.",
    )


class RayConfig(Section):
    """How a Ray cluster is used."""

    address: str | None = Field(
        default=None, description="Of a running cluster, such as auto; else one on this machine."
    )
    actors: int | None = Field(
        default=None, ge=1, description="Copies of the backbone; one a GPU, or as many as fit."
    )
    cpus_per_actor: float = Field(default=1.0, gt=0, description="Cores that one copy takes.")
    gpus_per_actor: float = Field(
        default=1.0, gt=0, description="GPUs, or a share of one, where the cluster has any."
    )

    @field_validator("cpus_per_actor", "gpus_per_actor")
    @classmethod
    def _only_one_can_be_shared(cls, value: float) -> float:
        if value > 1 and not value.is_integer():
            msg = "above one, Ray gives whole ones only"
            raise ValueError(msg)
        return value


class ComputeConfig(Section):
    """What the work runs on; never changes a result, so never part of a fingerprint."""

    engine: Literal["local", "ray"] = Field(
        default="local", description="local: this machine and all its GPUs; ray: a cluster."
    )
    device: str = Field(
        default="auto", description="auto (every CUDA device there is), cpu, cuda:1, mps."
    )
    batch_size: int | Literal["auto"] = Field(
        default="auto", description="Tiles embedded at once; auto measures. Halved if memory lacks."
    )
    executor: Literal["in_process", "forkserver", "spawn"] = Field(
        default="in_process", description="Steps in the run's process, or in one each."
    )
    decode_threads: int = Field(default=2, ge=1, description="Photos decoded at once.")
    decode_processes: bool = Field(
        default=False, description="Each in a process of its own: a crash in C costs one photo."
    )
    decode_limit_s: float = Field(
        default=60.0, gt=0, description="Such a process is ended when it is silent for longer."
    )
    training_threads: int = Field(
        default=1, ge=1, description="PyTorch's threads on a CPU; bags are too small for more."
    )
    training_logs: tuple[Literal["csv", "tensorboard"], ...] = Field(
        default=("csv", "tensorboard"), description="Of every epoch, beside the checkpoints."
    )
    checkpoint_every_epochs: int = Field(
        default=10, ge=1, description="How often a network is kept to resume a killed training."
    )
    ray: RayConfig = RayConfig()

    @field_validator("batch_size")
    @classmethod
    def _batches_hold_a_tile(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 1:
            msg = "a batch needs at least one tile"
            raise ValueError(msg)
        return value


class Config(Section):
    """One project's whole configuration."""

    name: str = Field(
        default="demo", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Of the project."
    )
    root: str | None = Field(default=None, description="Artefact folder; data/<name> by default.")
    data: DataConfig = DataConfig()
    folds: FoldsConfig = FoldsConfig()
    tiling: TilingConfig = TilingConfig()
    imaging: ImagingConfig = ImagingConfig()
    backbone: BackboneConfig = BackboneConfig()
    cache: CacheConfig = CacheConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    tuning: TuningConfig = TuningConfig()
    automation: AutomationConfig = AutomationConfig()
    compute: ComputeConfig = ComputeConfig()
