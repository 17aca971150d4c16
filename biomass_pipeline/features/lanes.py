"""Backbones made to run: on a device, once for each caller at a time. Imports torch when needed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import BackboneTileError, ChangedWeightsError
from biomass_pipeline.features import weights
from biomass_pipeline.features.backbone import Backbone, usable_cores
from biomass_pipeline.features.devices import usable_devices
from biomass_pipeline.features.naming import patch_px
from biomass_pipeline.features.plugins import build_plugin
from biomass_pipeline.features.registry import WeightsFree, source_of
from biomass_pipeline.features.tokens import cells_of
from biomass_pipeline.features.views import Views

if TYPE_CHECKING:
    from biomass_pipeline.features.precision import Measured
    from biomass_pipeline.features.timm_backbone import Plan, TimmBackbone

BatchSize = int | Literal["auto"]
CUDA = "cuda"


def build_backbone(
    spec: BackboneConfig, *, tile_px: int, device: str = "cpu", base: Path = Path()
) -> Backbone:
    """Build the frozen network that a configuration names, on one device.

    Args:
        spec: Which backbone, with which weights, read how, computed how.
        tile_px: The side of the tiles it will get.
        device: Where a network runs, such as `cpu` or `cuda:1`; the weights-free ones use all
            cores of the CPU.
        base: What a relative `checkpoint` is relative to.

    Raises:
        BiomassError: As `build_lanes`.
    """
    return build_lanes(spec, tile_px=tile_px, devices=[device], batch_size="auto", base=base)[0]


def build_lanes(
    spec: BackboneConfig,
    *,
    tile_px: int,
    devices: Sequence[str],
    batch_size: BatchSize,
    base: Path = Path(),
) -> list[Backbone]:
    """Build a backbone on each device, and list it once for each caller that may use it at once.

    Args:
        spec: Which backbone, with which weights, read how, computed how.
        tile_px: The side of the tiles it will get.
        devices: Where a network runs; the weights-free ones use all cores of the CPU instead.
        batch_size: How many tiles a GPU embeds at once; `auto` measures.
        base: What a relative `checkpoint` is relative to.

    Returns:
        A CUDA device's network of timm twice, so that copies overlap with computing; any other
        once, another package's too: nobody promised that two threads may use it together.

    Raises:
        UnknownBackboneError: No backbone has this name.
        BackbonePluginError: Another package's backbone cannot be used.
        UnsupportedReadingError: It cannot give the configured tokens or layers.
        BackboneTileError: The network cannot see tiles of this size.
        UnusableTileError: As above, for a reason that only it knows.
        MissingInputError: The checkpoint is not there.
        MissingWeightsError: No checkpoint is given, and none can be fetched.
        WeightsMisfitError: The checkpoint is of another network.
        DeviceMemoryError: The network does not fit on a device.
        PrecisionMemoryError: No precision can be chosen by measuring.
        CompileError: The network cannot be compiled on this machine.
    """
    source = source_of(spec)
    cells = len(cells_of(spec, tile_px=tile_px)) - 1
    built: list[Backbone] = []
    if isinstance(source, WeightsFree):
        devices = ["cpu"]
        built = [source.build(tile_px, usable_cores())]
    elif isinstance(source, EntryPoint):
        built = [build_plugin(source, tile_px=tile_px, device=device) for device in devices]
    else:
        plan = _planned(source, spec, tile_px=tile_px, base=base)
        built = list(_networks(plan, devices, batch_size=batch_size))
    if spec.views != "identity":
        built = [
            Views(one, views=spec.views, view_rows=spec.view_rows, cells_per_side=cells)
            for one in built
        ]
    shared = isinstance(source, str)
    lanes = [2 if shared and device.startswith(CUDA) else 1 for device in devices]
    return [one for one, times in zip(built, lanes, strict=True) for _ in range(times)]


@dataclass(frozen=True)
class LaneBuilder:
    """Everything that a configured backbone is built from: a value that can be sent elsewhere.

    Attributes:
        spec: Which backbone, with which weights, read how, computed how.
        tile_px: The side of the tiles it will get.
        device: As configured; `auto` is looked for where it is built.
        batch_size: How many tiles a GPU embeds at once; `auto` measures.
        base: What a relative `checkpoint` is relative to.
        known: The identity that its rows were promised to have.
    """

    spec: BackboneConfig
    tile_px: int
    device: str
    batch_size: BatchSize
    base: Path
    known: Mapping[str, str]

    def __call__(self) -> list[Backbone]:
        """Build it on every usable device.

        Raises:
            ChangedWeightsError: Its weights are not those that were promised.
            BiomassError: As `build_lanes`.
        """
        lanes = build_lanes(
            self.spec,
            tile_px=self.tile_px,
            devices=usable_devices(self.device),
            batch_size=self.batch_size,
            base=self.base,
        )
        if dict(lanes[0].identity) != dict(self.known):
            raise ChangedWeightsError(self.spec.name)
        return lanes


def measure_precision(
    spec: BackboneConfig, *, tile_px: int, device: str = "cpu", base: Path = Path()
) -> dict[str, "Measured"]:
    """How exact and how fast a network is in each precision, on a fixed probe.

    Args:
        spec: Which backbone; its own precision does not matter.
        tile_px: The side of a tile.
        device: Where it runs.
        base: What a relative `checkpoint` is relative to.

    Returns:
        By precision; empty for a backbone that offers no choice.

    Raises:
        BiomassError: As `build_lanes`.
    """
    source = source_of(spec)
    if not isinstance(source, str):
        return {}
    spec = spec.model_copy(update={"precision": "fp32"})
    # torch and timm take seconds to import.
    from biomass_pipeline.features.timm_backbone import measure_precisions  # noqa: PLC0415

    return measure_precisions(_planned(source, spec, tile_px=tile_px, base=base), device=device)


def _planned(model: str, spec: BackboneConfig, *, tile_px: int, base: Path) -> "Plan":
    """What a network of timm takes, once everything that can be known without torch is known."""
    patch = patch_px(model)
    if patch and tile_px % patch:
        raise BackboneTileError(spec.name, tile_px=tile_px, patch_px=patch)
    path = weights.locate(model, spec, base=base)
    identity = weights.timm_identity(model, spec, base=base)
    # torch and timm take seconds to import: not before everything else is known to be there.
    from biomass_pipeline.features.timm_backbone import Plan  # noqa: PLC0415

    return Plan(model=model, path=path, spec=spec, tile_px=tile_px, identity=identity)


def _networks(
    plan: "Plan", devices: Sequence[str], *, batch_size: BatchSize
) -> Iterator["TimmBackbone"]:
    """A network on each device; what the first one measured holds for all."""
    from biomass_pipeline.features.timm_backbone import build_timm  # noqa: PLC0415 - as above

    for device in devices:
        one = build_timm(plan, device=device, batch_size=batch_size)
        yield one
        spec = plan.spec.model_copy(update={"precision": one.precision})
        plan, batch_size = replace(plan, spec=spec), one.batch_size
