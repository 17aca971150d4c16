"""What was measured, as plain records. No torch, no files."""

from dataclasses import asdict, dataclass
from typing import Any

_S_PER_HOUR = 3600


@dataclass(frozen=True)
class DecodeRate:
    """One photo from its file to its tiles.

    Attributes:
        height_px: Of the photo.
        width_px: Of the photo.
        n_tiles: Tiles it is cut into.
        seconds: From the file to the tiles, in one thread.
        extra_bytes: How far this raises the peak of a fresh process's resident memory, the
            file's bytes and the tiles included; None where the system does not tell.
    """

    height_px: int
    width_px: int
    n_tiles: int
    seconds: float
    extra_bytes: int | None


@dataclass(frozen=True)
class CacheRates:
    """Writing and reading one fold's file, warm: bytes of features a second.

    Attributes:
        n_bags: Bags of the fold.
        n_tiles: Tiles of a bag.
        feature_dim: Numbers a tile.
        dtype: As stored.
        write_bytes_per_s: Through the store, with its checks, flushes and the final fsync.
        read_bytes_per_s: The whole fold in order, into memory.
        random_bytes_per_s: Single bags in random order, from the memory-mapped file.
    """

    n_bags: int
    n_tiles: int
    feature_dim: int
    dtype: str
    write_bytes_per_s: float
    read_bytes_per_s: float
    random_bytes_per_s: float

    @property
    def tile_bytes(self) -> int:
        """Of one tile's features on disk."""
        return self.feature_dim * (2 if self.dtype == "float16" else 4)


@dataclass(frozen=True)
class PrecisionRate:
    """One number type: the bare backbone on ready tiles beside matrix products of its shape.

    Attributes:
        precision: fp32, bf16 or bf16-autocast; the backbone's own word if it has no choice.
        tiles_per_s: Of the bare backbone, on all lanes.
        gemm_flops_per_s: Of the matrix products on all devices; None without a transformer.
        cosine: The least similarity of a row to fp32's; None where it was not measured.
    """

    precision: str
    tiles_per_s: float
    gemm_flops_per_s: float | None = None
    cosine: float | None = None


@dataclass(frozen=True)
class ModelRates:
    """One backbone on this machine.

    Attributes:
        model: As it was asked for.
        weights: What its weights are, for a person.
        devices: Where it ran.
        batch_size: Tiles at once.
        feature_dim: Numbers a row.
        tile_flops: Operations a tile; None without a transformer.
        precisions: What was tried.
        precision: What the pipeline used.
        bare_tiles_per_s: The bare backbone, measured in turn with the pipeline.
        pipeline_tiles_per_s: From JPEG files to the finished cache file.
        n_tiles: Tiles that the pipeline embedded in one turn.
    """

    model: str
    weights: str
    devices: tuple[str, ...]
    batch_size: int
    feature_dim: int
    tile_flops: int | None
    precisions: tuple[PrecisionRate, ...]
    precision: str
    bare_tiles_per_s: float
    pipeline_tiles_per_s: float
    n_tiles: int

    @property
    def used(self) -> PrecisionRate:
        """The number type that the pipeline used."""
        return next(rate for rate in self.precisions if rate.precision == self.precision)

    @property
    def pipeline_over_bare(self) -> float:
        """How much of the bare backbone's rate the pipeline keeps."""
        return self.pipeline_tiles_per_s / self.bare_tiles_per_s

    def ideal_tiles_per_s(self, rate: PrecisionRate) -> float | None:
        """What the matrix products alone would allow."""
        if rate.gemm_flops_per_s is None or self.tile_flops is None:
            return None
        return rate.gemm_flops_per_s / self.tile_flops

    def over_gemm(self, rate: PrecisionRate) -> float | None:
        """How much of the matrix products' speed the bare backbone reaches."""
        ideal = self.ideal_tiles_per_s(rate)
        return None if ideal is None else rate.tiles_per_s / ideal


@dataclass(frozen=True)
class FolderLoad:
    """What a folder of photos means.

    Attributes:
        location: Where it is.
        n_photos: Files that should be photos.
        n_bytes: Of all of them.
        n_tiles: Of all of them, estimated from those looked at.
        n_opened: Photos whose header was read.
        n_unreadable: Those among them that are no photos; they count no tiles.
    """

    location: str
    n_photos: int
    n_bytes: int
    n_tiles: int
    n_opened: int
    n_unreadable: int

    def hours(self, tiles_per_s: float) -> float:
        """How long all tiles take at a rate.

        >>> FolderLoad("photos", 10, 10**7, 7200, 10, 0).hours(2.0)
        1.0
        """
        return self.n_tiles / tiles_per_s / _S_PER_HOUR


@dataclass(frozen=True)
class Benchmark:
    """Everything that was measured in one run.

    Attributes:
        machine: What it ran on.
        versions: Of the packages that decide the speed.
        commit: Of the checkout; empty outside one.
        decode_threads: Photos that the pipeline decodes at once.
        decode: From a file to tiles.
        models: The backbones.
        cache: Of the widest backbone.
        folder: The photos to come, if there are any.
    """

    machine: dict[str, Any]
    versions: dict[str, str]
    commit: str
    decode_threads: int
    decode: DecodeRate
    models: tuple[ModelRates, ...]
    cache: CacheRates
    folder: FolderLoad | None = None

    def stage_tiles_per_s(self, model: ModelRates) -> dict[str, float]:
        """What each stage would reach if it were alone, by name, in the order of the work."""
        stages = {"decode": self.decode.n_tiles * self.decode_threads / self.decode.seconds}
        ideal = model.ideal_tiles_per_s(model.used)
        if ideal is not None:
            stages["matrix products"] = ideal
        stages["backbone"] = model.bare_tiles_per_s
        stages["cache"] = self.cache.write_bytes_per_s / self.cache.tile_bytes
        return stages | {"pipeline": model.pipeline_tiles_per_s}


def as_json(benchmark: Benchmark) -> dict[str, Any]:
    """Plain values, the ratios first."""
    plain = asdict(benchmark)
    return {"ratios": {m.model: _ratios(m) for m in benchmark.models}} | {
        **plain,
        "hours": _hours(benchmark),
    }


def _ratios(model: ModelRates) -> dict[str, float]:
    over_gemm = {
        f"{rate.precision}_over_gemm": ratio
        for rate in model.precisions
        if (ratio := model.over_gemm(rate)) is not None
    }
    return over_gemm | {"pipeline_over_bare": model.pipeline_over_bare}


def _hours(benchmark: Benchmark) -> dict[str, float]:
    folder = benchmark.folder
    if folder is None:
        return {}
    return {m.model: folder.hours(m.pipeline_tiles_per_s) for m in benchmark.models}
