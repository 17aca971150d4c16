"""How long a kernel will take and how much memory, before it starts. Pure arithmetic."""

from collections.abc import Iterator
from dataclasses import dataclass

from biomass_pipeline.config import BackboneConfig, Config
from biomass_pipeline.features.naming import Network, is_of_timm, network_of, timm_name
from biomass_pipeline.features.registry import WEIGHTS_FREE

# Photos of the competition, and photos that its data paper has beyond them (arXiv 2510.22916).
TRAIN_PHOTOS, TEST_PHOTOS = 357, 1162 - 357
PHOTO_PX = (1000, 2000)
LIMIT_HOURS = 12.0
# What a kernel with a GPU is given: 31 GiB, of which the notebook itself takes some.
MEMORY_BYTES = 29 * 2**30

# NVIDIA's data sheet of the P100, the slower of the two GPUs that a kernel may get, for fp32.
_GPU_FLOPS_PER_S, _GPU_SHARE = 9.3e12, 0.5
_GPU_SOURCE = "assumed: half of the 9.3 TFLOP/s (fp32) in the data sheet of a P100"
# With tiles of 518 px; smaller ones are faster, by less than their area.
_CPU_TILES_PER_S, _CPU_TILE_PX = 31.08, 518
_CPU_SOURCE = "measured on 2 cores, benchmarks/results/weights_free_2_cores.json"
# An epoch of 286 photos of 15 tiles, 1,024 numbers each, on one core takes 0.078 s
# (benchmarks/results/mil_epoch_2_cores.json).
_EPOCH_S_PER_NUMBER = 0.0783 / (286 * 15 * 1024)
# Ridges of a fold, judgement, reading: measured with the demo's 120 photos, rounded up.
_FOLD_S = 5.0
# A process that has imported what it needs, PyTorch above all; measured, rounded up.
_BASE_BYTES = 1.2e9
# Features as stored, joined, put in order, and as bags in 32 bits; ridge's pooled copies.
_COPIES_BYTES_PER_NUMBER = 14
_PHOTOS_HELD, _BYTES_PER_PX = 6, 9
_HOUR_S = 3600.0


@dataclass(frozen=True)
class Rate:
    """How fast tiles are embedded.

    Attributes:
        tiles_per_s: 0 where nobody can tell yet.
        source: Measured or assumed, and where that is from.
        feature_dim: Numbers a row; 0 where nobody can tell yet.
    """

    tiles_per_s: float
    source: str
    feature_dim: int = 0


@dataclass(frozen=True)
class Work:
    """What a kernel has to do.

    Attributes:
        n_photos: To embed.
        n_tiles: Of them.
        n_rows: Of features that are held in memory, of all photos; 0: nothing is trained.
        n_learnt_rows: Of labelled photos.
        photo_px: (height, width) of a photo.
    """

    n_photos: int
    n_tiles: int
    n_rows: int = 0
    n_learnt_rows: int = 0
    photo_px: tuple[int, int] = PHOTO_PX


@dataclass(frozen=True)
class Estimate:
    """What a kernel is expected to take.

    Attributes:
        work: What it does.
        rate: How fast it embeds.
        extraction_s: Seconds of embedding; 0 where the rate is unknown.
        training_s: Seconds of training and scoring, at most: networks may stop early.
        peak_bytes: Of the process's resident memory.
    """

    work: Work
    rate: Rate
    extraction_s: float
    training_s: float
    peak_bytes: float

    @property
    def hours(self) -> float:
        """All of it."""
        return (self.extraction_s + self.training_s) / _HOUR_S

    def lines(self, *, limit_hours: float = LIMIT_HOURS) -> Iterator[str]:
        """What is expected, and a warning where it is too much, as sentences."""
        work = self.work
        speed = f"{self.rate.tiles_per_s:.3g} tiles/s, " if self.rate.tiles_per_s else ""
        yield f"to embed: {work.n_photos} photos, {work.n_tiles} tiles; {speed}{self.rate.source}"
        parts = [f"{duration(self.extraction_s)} of embedding"]
        if work.n_rows:
            parts.append(f"at most {duration(self.training_s)} of training")
        total = f"expected: {' + '.join(parts)}, peak memory {self.peak_bytes / 1e9:.1f} GB"
        yield f"{total}; limits: {limit_hours:g} h, {MEMORY_BYTES / 1e9:.0f} GB"
        if self.hours > limit_hours:
            yield (
                f"WARNING: about {self.hours:.1f} h are over the limit of {limit_hours:g} h. Take "
                f"a smaller backbone or a larger `tiling.stride_px`, fewer `training.n_seeds`, or "
                f"embed in several kernels: caches that are attached are not embedded again."
            )
        if self.peak_bytes > MEMORY_BYTES:
            yield (
                f"WARNING: about {self.peak_bytes / 1e9:.0f} GB are over the memory of "
                f"{MEMORY_BYTES / 1e9:.0f} GB. Take fewer tokens or layers, or larger tiles."
            )


def estimate(work: Work, config: Config, *, rate: Rate) -> Estimate:
    """Put together what is known.

    Args:
        work: What is to be done.
        config: How.
        rate: How fast tiles are embedded.
    """
    training, n_folds = config.training, config.folds.n_folds
    numbers = work.n_rows * rate.feature_dim
    learnt = work.n_learnt_rows * rate.feature_dim * (n_folds - 1) / n_folds
    epochs = n_folds * training.n_seeds * training.epochs
    height_px, width_px = work.photo_px
    held = _PHOTOS_HELD * height_px * width_px * _BYTES_PER_PX if work.n_tiles else 0
    return Estimate(
        work=work,
        rate=rate,
        extraction_s=work.n_tiles / rate.tiles_per_s if rate.tiles_per_s else 0.0,
        training_s=epochs * learnt * _EPOCH_S_PER_NUMBER + n_folds * _FOLD_S if numbers else 0.0,
        peak_bytes=_BASE_BYTES
        + numbers * _COPIES_BYTES_PER_NUMBER
        + held
        + _network_bytes(config.backbone),
    )


def expected_rate(config: Config) -> Rate:
    """How fast a kernel will embed, before anything could be measured there."""
    tile_px, name = config.tiling.tile_px, config.backbone.name
    if (recipe := WEIGHTS_FREE.get(name)) is not None:
        width = recipe.build(tile_px, 1).feature_dim
        speed = _CPU_TILES_PER_S * min(1.0, (_CPU_TILE_PX / tile_px) ** 2)
        return Rate(speed, _CPU_SOURCE, width)
    network = _network(config.backbone)
    if network is None:
        return Rate(0.0, "the kernel measures how fast")
    flops = tile_flops(network, tile_px=tile_px)
    return Rate(_GPU_FLOPS_PER_S * _GPU_SHARE / flops, _GPU_SOURCE, network.width)


def tile_flops(network: Network, *, tile_px: int) -> float:
    """Operations of a registered vision transformer for one tile.

    Linear layers of a block have 12 numbers a width squared (four of attention, eight of the
    perceptron), and a multiplication and an addition are 2 operations.

    Args:
        network: Which.
        tile_px: The side of a tile.
    """
    tokens = (tile_px // network.patch_px) ** 2
    linear = 2 * 12 * tokens * network.width**2
    return float(network.depth * (linear + 4 * tokens**2 * network.width))


def duration(seconds: float) -> str:
    """Hours, minutes or seconds, whichever a person would say.

    >>> duration(5), duration(90), duration(5400)
    ('5 s', '1.5 min', '1.5 h')
    """
    if seconds >= _HOUR_S:
        return f"{seconds / _HOUR_S:.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"  # noqa: PLR2004


def _network(backbone: BackboneConfig) -> Network | None:
    return network_of(timm_name(backbone.name)) if is_of_timm(backbone.name) else None


def _network_bytes(backbone: BackboneConfig) -> float:
    """Weights in memory, twice: as a file's content and as a network's."""
    network = _network(backbone)
    return 0.0 if network is None else 2.0 * 4 * 12 * network.depth * network.width**2
