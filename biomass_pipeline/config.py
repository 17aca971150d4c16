"""The configuration: frozen, validated once, hashed into fingerprints. Its defaults run."""

import difflib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from biomass_pipeline.errors import ConfigError, MissingInputError

ENVIRONMENT_PREFIX = "BIOMASS__"
CONFIG_VARIABLE = "BIOMASS_CONFIG"
DEFAULT_FILE = "biomass.yaml"

# The CSIRO laboratory's smallest positive mass is 0.07 g: anything below 0.05 g is a zero.
DETECTION_LIMIT_G = 0.05


class Section(BaseModel):
    """A frozen part of the configuration; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TargetConfig(Section):
    """One predicted quantity."""

    name: str
    weight: float = Field(default=1.0, ge=0, description="Weight in the global R2, by name.")
    unit: str = Field(default="g", description="Unit of the labels; grams are also shown per area.")
    zero_below: float | None = Field(
        default=None, ge=0, description="Labels below count as zero; 0.05 for grams, else 0."
    )

    @property
    def detection_limit(self) -> float:
        """The smallest label that is not a zero, in the target's unit."""
        if self.zero_below is not None:
            return self.zero_below
        return DETECTION_LIMIT_G if self.unit == "g" else 0.0


CSIRO_TARGETS = (
    TargetConfig(name="Dry_Green_g", weight=0.1),
    TargetConfig(name="Dry_Dead_g", weight=0.1),
    TargetConfig(name="Dry_Clover_g", weight=0.1),
    TargetConfig(name="GDM_g", weight=0.2),
    TargetConfig(name="Dry_Total_g", weight=0.5),
)
CSIRO_IDENTITIES: dict[str, tuple[str, ...]] = {
    "GDM_g": ("Dry_Green_g", "Dry_Clover_g"),
    "Dry_Total_g": ("GDM_g", "Dry_Dead_g"),
}


class DataConfig(Section):
    """Where the photos and labels are, and what the labels mean."""

    images: str = Field(
        default="data/demo/photos", description="Folder, glob or fsspec URL of the photos."
    )
    labels: str = Field(default="data/demo/train.csv", description="CSV or Parquet of labels.")
    layout: Literal["long", "wide"] = Field(
        default="long", description="long: a row an image and target (CSIRO); wide: a row an image."
    )
    image_column: str = Field(default="image_path", description="Column of the photos' paths.")
    date_column: str | None = Field(
        default="Sampling_Date", description="Column of dates; 2015/9/4, 9/4/2015 or 2015-09-04."
    )
    targets: tuple[TargetConfig, ...] = Field(
        default=CSIRO_TARGETS, description="What is predicted: name, weight, unit, zero_below."
    )
    identities: dict[str, tuple[str, ...]] = Field(
        default=CSIRO_IDENTITIES, description="Sums among the targets: total -> its parts."
    )
    identity_tolerance: float = Field(
        default=0.01, ge=0, description="Warn when a sum is off by more, in the target's unit."
    )
    identity_gross_fraction: float = Field(
        default=0.1, gt=0, description="Stop when a sum is off by more than this share of it."
    )
    group_columns: tuple[str, ...] = Field(
        default=("State", "Sampling_Date"), description="Photos that agree in these stay together."
    )
    quadrat_area_m2: float = Field(default=0.21, gt=0, description="Ground that a photo shows.")
    max_quarantined_fraction: float = Field(
        default=0.1, ge=0, le=1, description="More than this share quarantined stops the run."
    )
    max_pixels: int = Field(
        default=200_000_000, gt=0, description="A larger photo counts as a decompression bomb."
    )

    @model_validator(mode="after")
    def _targets_make_sense(self) -> Self:
        names = self.target_names
        if not names or len(set(names)) != len(names):
            msg = f"targets need distinct names, at least one; found {list(names)}"
            raise ValueError(msg)
        unknown = ({*self.identities} | {p for ps in self.identities.values() for p in ps}) - {
            *names
        }
        if unknown:
            msg = f"identities name targets that are not listed: {sorted(unknown)}"
            raise ValueError(msg)
        if reserved := {"image_id", "group", "fold"} & {*self.group_columns, *names}:
            msg = f"rename the columns {sorted(reserved)} in the label file: our tables use them"
            raise ValueError(msg)
        if sum(target.weight for target in self.targets) <= 0:
            msg = "at least one target needs a positive weight"
            raise ValueError(msg)
        self.sum_order()
        return self

    @property
    def target_names(self) -> tuple[str, ...]:
        """All targets, in configured order."""
        return tuple(target.name for target in self.targets)

    @property
    def target_weights(self) -> dict[str, float]:
        """The metric's weights, by name."""
        return {target.name: target.weight for target in self.targets}

    @property
    def heaviest_target(self) -> str:
        """The target that counts most in the metric: CSIRO's total."""
        return max(self.targets, key=lambda target: target.weight).name

    @property
    def components(self) -> tuple[str, ...]:
        """Targets that are not a sum of others: what a model predicts."""
        return tuple(name for name in self.target_names if name not in self.identities)

    def sum_order(self) -> tuple[str, ...]:
        """The sums, each after the sums it is made of.

        Raises:
            ValueError: The identities are circular.
        """
        known, left, order = set(self.components), dict(self.identities), []
        while left:
            ready = [name for name, parts in left.items() if known.issuperset(parts)]
            if not ready:
                msg = f"identities are circular: {sorted(left)}"
                raise ValueError(msg)
            known.update(ready)
            order.extend(ready)
            for name in ready:
                del left[name]
        return tuple(order)

    def component_matrix(self) -> list[list[float]]:
        """The identities as a matrix, shape (target, component): targets = matrix @ components."""
        rows = {
            name: [float(name == other) for other in self.components] for name in self.components
        }
        for name in self.sum_order():
            parts = [rows[part] for part in self.identities[name]]
            rows[name] = [sum(column) for column in zip(*parts, strict=True)]
        return [rows[name] for name in self.target_names]


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


class BackboneConfig(Section):
    """The frozen network that embeds tiles."""

    name: str = Field(
        default="colour-texture-rcf", description="A registered name or alias, or timm:NAME."
    )
    checkpoint: str | None = Field(default=None, description="Local weights (.pth, .safetensors).")
    random_weights: bool = Field(
        default=False, description="For tests only: an untrained network, named in every output."
    )
    tokens: Literal["cls"] = Field(default="cls", description="What stands for a tile.")
    layers: Literal["last"] = Field(default="last", description="Where it is read.")


class CacheConfig(Section):
    """How features are stored."""

    dtype: Literal["float16", "float32"] = Field(
        default="float16", description="Number type on disk; float16 is range-checked."
    )


class TrainingConfig(Section):
    """How a fold's network and its ridge baseline are trained."""

    aggregator: Literal["gated_attention", "additive_density"] = Field(
        default="additive_density", description="Tiles to photo."
    )
    loss: Literal["ziln", "huber"] = Field(
        default="huber", description="Zero-inflated lognormal, or weighted Huber."
    )
    hidden_dim: int = Field(default=128, ge=1, description="Width that features are projected to.")
    attention_dim: int = Field(default=64, ge=1, description="gated_attention: width of a gate.")
    dropout: float = Field(default=0.25, ge=0, lt=1, description="Dropout of projected features.")
    input_dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout of scaled features.")
    huber_delta: float = Field(
        default=1.0, gt=0, description="Where the square becomes linear, in sd of the target."
    )
    mean_weight: float = Field(
        default=5.0, ge=0, description="ziln: weight of the Huber part beside the likelihood."
    )
    epochs: int = Field(default=60, ge=1, description="At most; fewer if stopped early.")
    patience: int = Field(default=15, ge=1, description="Epochs without inner improvement.")
    inner_fraction: float = Field(
        default=0.2, gt=0, lt=1, description="Share of training groups kept for early stopping."
    )
    batch_size: int = Field(default=16, ge=1, description="Bags a step.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Of AdamW.")
    weight_decay: float = Field(default=1e-2, ge=0, description="Of AdamW.")
    gradient_clip: float = Field(default=1.0, gt=0, description="Largest norm of the gradient.")
    feature_clip: float = Field(default=4.0, gt=0, description="Clip of scaled features, in sd.")
    n_seeds: int = Field(default=5, ge=1, description="Networks a fold, averaged.")
    seed: int = Field(default=0, description="Of initial weights, dropout and shuffling.")
    ridge_alphas: tuple[float, ...] = Field(
        default=tuple(10.0 ** (k / 2) for k in range(-2, 11)),
        description="Penalties that the ridge baseline chooses from, by inner group CV.",
    )


class EvaluationConfig(Section):
    """How predictions are judged."""

    interval_level: float = Field(default=0.9, gt=0, lt=1, description="Wanted coverage.")


class AutomationConfig(Section):
    """Schedules and sensors: nothing to configure yet."""


class ComputeConfig(Section):
    """What the work runs on; never changes a result, so never part of a fingerprint."""

    engine: Literal["local"] = Field(default="local", description="This machine.")
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1, mps.")
    batch_size: int = Field(default=16, ge=1, description="Tiles embedded at once.")
    decode_threads: int = Field(default=2, ge=1, description="Photos decoded at once.")
    training_threads: int = Field(
        default=1, ge=1, description="PyTorch's threads on a CPU; bags are too small for more."
    )


class Config(Section):
    """One project's whole configuration."""

    name: str = Field(
        default="demo", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Of the project."
    )
    root: str | None = Field(default=None, description="Artefact folder; data/<name> by default.")
    data: DataConfig = DataConfig()
    folds: FoldsConfig = FoldsConfig()
    tiling: TilingConfig = TilingConfig()
    backbone: BackboneConfig = BackboneConfig()
    cache: CacheConfig = CacheConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    automation: AutomationConfig = AutomationConfig()
    compute: ComputeConfig = ComputeConfig()


def fingerprint(*parts: BaseModel | Mapping[str, Any] | Sequence[Any] | str | int) -> str:
    """Hash what decides a result into 16 hexadecimal digits.

    Equal content gives equal digits in every process: keys are sorted, models become JSON.
    """
    plain = [
        part.model_dump(mode="json") if isinstance(part, BaseModel) else part for part in parts
    ]
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_config(
    file: Path | None,
    *,
    overrides: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Config:
    """Read a YAML file, then apply `BIOMASS__SECTION__KEY` variables, then `section.key=value`.

    Args:
        file: The configuration; None means the defaults.
        overrides: Assignments such as `training.epochs=5`, values in YAML.
        environment: Variables to look at; none by default.

    Raises:
        MissingInputError: The file does not exist.
        ConfigError: It cannot be parsed, or a key or value is wrong.
    """
    source = str(file) if file else "the built-in configuration"
    content = _read_yaml(file) if file else {}
    for variable, value in sorted((environment or {}).items()):
        if variable.startswith(ENVIRONMENT_PREFIX):
            keys = variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
            _assign(content, keys, value, source=variable)
    for override in overrides:
        key, separator, value = override.partition("=")
        if not separator:
            raise ConfigError(f"--set {override}", ["expected section.key=value"])
        _assign(content, key.strip().split("."), value, source=f"--set {override}")
    return parse_config(content, source=source)


def parse_config(content: Mapping[str, Any], *, source: str) -> Config:
    """Validate the sections of a configuration.

    Args:
        content: As in the file.
        source: What to call it in an error.

    Raises:
        ConfigError: A key or value is wrong.
    """
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        raise ConfigError(source, [_sentence(item) for item in error.errors()]) from None


def find_config_file(given: Path | None = None) -> Path | None:
    """The file that is given, or in `BIOMASS_CONFIG`, or `biomass.yaml` here, or the demo's."""
    if given is not None:
        return given
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    places = (Path(DEFAULT_FILE), Path("data/demo") / DEFAULT_FILE)
    return next((place for place in places if place.exists()), None)


def _read_yaml(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise MissingInputError("configuration", str(file), option="--config")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(str(file), [f"it is not YAML: {error}"]) from None
    if not isinstance(content, dict):
        raise ConfigError(str(file), ["expected sections such as `data:` and `training:`"])
    return content


def _assign(content: dict[str, Any], keys: list[str], value: str, *, source: str) -> None:
    for key in keys[:-1]:
        content = content.setdefault(key, {})
        if not isinstance(content, dict):
            raise ConfigError(source, [f"`{key}` is a value, not a section"])
    try:
        content[keys[-1]] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(source, [f"the value is not YAML: {error}"]) from None


def _sentence(item: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] != "extra_forbidden":
        return f"`{where}`: {item['msg']} (found {item['input']!r})"
    *section, key = [str(part) for part in item["loc"]]
    near = difflib.get_close_matches(key, _known_keys(section), n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(_known_keys(section))}"
    return f"`{where}` is not a known key; {hint}"


def _known_keys(section: list[str]) -> list[str]:
    model: type[BaseModel] = Config
    for name in section:
        field = model.model_fields.get(name)
        nested = field.annotation if field else TargetConfig
        model = (
            nested if isinstance(nested, type) and issubclass(nested, BaseModel) else TargetConfig
        )
    return list(model.model_fields)
