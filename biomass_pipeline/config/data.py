"""What the photos and labels are, and what the labels mean."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
    submission: str | None = Field(
        default=None, description="CSV whose rows and order the submission follows; else by id."
    )
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
        default=1_000_000_000, gt=0, description="A larger photo counts as a decompression bomb."
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
