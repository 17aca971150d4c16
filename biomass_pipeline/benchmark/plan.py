"""What to measure: which backbones, on which devices, for how long."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from biomass_pipeline.benchmark.timing import Effort
from biomass_pipeline.config import BackboneConfig, Config, TilingConfig
from biomass_pipeline.tiling import tile_grid

# The photo of the field's standard survey: 15 tiles of 518 px.
PHOTO_PX = (1000, 2000)


@dataclass(frozen=True)
class Plan:
    """A benchmark to run.

    Attributes:
        config: How photos are cut, backbones run and features stored.
        backbones: What to measure.
        devices: Where, as PyTorch names them.
        base: What a relative checkpoint is relative to.
        photo_px: (height, width) of the photos.
        turn_s: How long one turn of a pipeline should last; a turn has two tiles at least.
        effort: How many turns.
        on_step: Told what comes next, in words.
    """

    config: Config
    backbones: tuple[BackboneConfig, ...]
    devices: tuple[str, ...]
    base: Path = Path()
    photo_px: tuple[int, int] = PHOTO_PX
    turn_s: float = 3.0
    effort: Effort = field(default_factory=Effort)
    on_step: Callable[[str], None] = lambda _: None


def named_backbone(name: str) -> BackboneConfig:
    """A backbone to be timed only: with random weights, since any are equally fast."""
    return BackboneConfig(name=name, random_weights=True)


def photo_sizes(
    n_tiles: int, *, photo_px: tuple[int, int], tiling: TilingConfig
) -> list[tuple[int, int]]:
    """Sizes (height, width) of the photos that hold about so many tiles, at least two photos.

    Too few tiles for two whole photos become two strips, one tile high.
    """
    whole = len(tile_grid(*photo_px, tiling))
    if n_tiles >= 2 * whole:
        return [photo_px] * round(n_tiles / whole)
    strip = ceil(n_tiles / 2)
    width_px = tiling.tile_px + (strip - 1) * tiling.stride_px
    return [(tiling.tile_px, width_px)] * 2


def tiles_of(sizes_px: Sequence[tuple[int, int]], tiling: TilingConfig) -> int:
    """How many tiles photos of these sizes have."""
    return sum(len(tile_grid(*size_px, tiling)) for size_px in sizes_px)
