"""Frozen networks of timm made to embed: batches, copies, memory."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import BiomassError, DeviceMemoryError, UnusableTileError
from biomass_pipeline.features.backbone import Features, Tiles
from biomass_pipeline.features.batches import choose_batch_size
from biomass_pipeline.features.loading import load_network
from biomass_pipeline.features.naming import licence_notice, licence_of
from biomass_pipeline.features.precision import (
    Arithmetic,
    Measured,
    probe_tiles,
    settle_precision,
    trials,
)
from biomass_pipeline.features.token_reader import Reader, reader_of
from biomass_pipeline.features.tokens import cells_of

# On a CPU single tiles are as fast as small batches and cannot see their neighbours; a GPU gets
# batches of one size, the last one padded, so a row never depends on how many came with it.
CPU_BATCH = 1

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """A network to be built.

    Attributes:
        model: In timm's naming.
        path: Its weights, in timm's or facebookresearch's format; None for random ones.
        spec: How it is read and computed.
        tile_px: The side of the tiles it will get.
        identity: What decides its output.
    """

    model: str
    path: Path | None
    spec: BackboneConfig
    tile_px: int
    identity: Mapping[str, str]


class Pixels:
    """Normalises uint8 tiles by a network's own mean and spread, on its device, in float32."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        place: Any = network.pretrained_cfg
        self.device = device
        self._mean = torch.tensor(place["mean"], device=device).view(1, -1, 1, 1)
        self._std = torch.tensor(place["std"], device=device).view(1, -1, 1, 1)

    def __call__(self, tiles: Tensor) -> Tensor:
        """Normalise tiles of shape (tile, side, side, 3) into (tile, 3, side, side)."""
        moved = tiles.to(self.device, non_blocking=True)
        return (moved.permute(0, 3, 1, 2).float() / 255 - self._mean) / self._std


class _Desk(threading.local):
    """What each calling thread has of its own: a stream and a pinned buffer for its tiles."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call] # torch's gap
        self.buffer = torch.empty(0, dtype=torch.uint8)

    def filled(self, tiles: Tiles, size: int) -> Tensor:
        """A pinned batch of `size` tiles: these, and black ones."""
        shape = (size, *tiles.shape[1:])
        if self.buffer.shape != shape:
            self.buffer = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        self.buffer[: len(tiles)].numpy()[:] = tiles
        self.buffer[len(tiles) :] = 0
        return self.buffer


class TimmBackbone:
    """Embeds tiles by a network of timm. Several threads may use it at once."""

    def __init__(
        self, arithmetic: Arithmetic, pixels: Pixels, *, plan: Plan, feature_dim: int, batch: int
    ) -> None:
        self.name = plan.identity["name"]
        self.tile_px = plan.tile_px
        self.identity = plan.identity
        self.weights_sha256 = plan.identity["weights_sha256"]
        self.precision = arithmetic.precision
        self.feature_dim = feature_dim
        self.batch_size = batch
        self._arithmetic, self._pixels = arithmetic, pixels
        self._desk = _Desk(pixels.device) if pixels.device.type == "cuda" else None
        self._halving = threading.Lock()

    @torch.inference_mode()
    def embed(self, tiles: Tiles) -> Features:
        """Embed tiles of shape (tile, side, side, 3), in smaller batches when memory runs out.

        Returns:
            Shape (tile * cell, feature).

        Raises:
            TokenCountError: The network's tokens do not match its patches.
            torch.OutOfMemoryError: Not even one tile fits.
        """
        rows, start = [np.empty((0, self.feature_dim), np.float32)], 0
        while start < len(tiles):
            size = self.batch_size
            some = tiles[start : start + size]
            try:
                found = self._batch(some, size)
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
                self._halve(size)
                continue
            rows.append(found.reshape(-1, self.feature_dim).numpy())
            start += len(some)
        return np.concatenate(rows)

    @torch.inference_mode()
    def choose_batch_size(self) -> None:
        """Measure how many tiles its device likes at once."""
        side = self.tile_px

        def embed(size: int) -> None:
            self._batch(np.zeros((size, side, side, 3), np.uint8), size)

        self.batch_size = choose_batch_size(embed)
        _logger.info("%s: batches of %d tiles", self.name, self.batch_size)

    @torch.inference_mode()
    def compile(self) -> None:
        """Compile for batches of the present size.

        Raises:
            CompileError: This machine cannot.
        """
        blank = torch.zeros((self.batch_size, self.tile_px, self.tile_px, 3), dtype=torch.uint8)
        self._arithmetic.compile(self._pixels(blank), name=self.name)

    def _batch(self, tiles: Tiles, size: int) -> Tensor:
        """Rows of shape (tile, cell, feature) of at most `size` tiles, on the host."""
        if self._desk is None:
            filled = np.zeros((size, *tiles.shape[1:]), np.uint8)
            filled[: len(tiles)] = tiles
            return self._arithmetic(self._pixels(torch.from_numpy(filled)))[: len(tiles)].cpu()
        with torch.cuda.stream(self._desk.stream):
            rows = self._arithmetic(self._pixels(self._desk.filled(tiles, size)))
            # Waits for this thread's stream only: another thread's copies go on meanwhile.
            return rows[: len(tiles)].cpu()

    def _halve(self, failed: int) -> None:
        """Make batches smaller than the one that failed, once for all threads that saw it."""
        with self._halving:
            if self.batch_size >= failed:
                self.batch_size = failed // 2
                _logger.warning(
                    "%s: memory ran out; from now on batches of %d tiles instead of %d",
                    self.name,
                    self.batch_size,
                    failed,
                )
        if self._desk is not None:
            torch.cuda.empty_cache()


def build_timm(plan: Plan, *, device: str, batch_size: int | Literal["auto"]) -> TimmBackbone:
    """Build a network of timm on a device, in the configured or the best arithmetic.

    Args:
        plan: Which, and how it is read and computed.
        device: Where it runs.
        batch_size: How many tiles a GPU embeds at once; `auto` measures.

    Raises:
        UnknownBackboneError: timm has no network of this name.
        WeightsMisfitError: The file holds the weights of another network.
        UnsupportedReadingError: The network cannot give the configured tokens or layers.
        BackboneTileError: Patches do not fill a tile of this size.
        UnusableTileError: The network fails on tiles of this size.
        DeviceMemoryError: The network does not fit on the device.
        PrecisionMemoryError: No precision can be chosen by measuring.
        CompileError: The network cannot be compiled on this machine.
    """
    arithmetic, pixels, width = _settled(plan, device)
    first = CPU_BATCH if pixels.device.type == "cpu" or batch_size == "auto" else batch_size
    backbone = TimmBackbone(arithmetic, pixels, plan=plan, feature_dim=width, batch=first)
    if pixels.device.type != "cpu" and batch_size == "auto":
        backbone.choose_batch_size()
    if plan.spec.compile:
        backbone.compile()
    if pixels.device.type == "cuda":
        # The lanes' streams do not wait for the one on which the weights were copied.
        torch.cuda.synchronize(pixels.device)
    return backbone


@torch.inference_mode()
def _settled(plan: Plan, device: str) -> tuple[Arithmetic, Pixels, int]:
    """The arithmetic, what feeds it, and a row's width; a copy in float32 ends with this call."""
    reader, pixels = _placed(plan, device)
    probe = pixels(torch.from_numpy(probe_tiles(plan.tile_px)))
    name = plan.spec.name
    arithmetic = settle_precision(reader, plan.spec.precision, pixels=probe, name=name)
    return arithmetic, pixels, reader.feature_dim


@torch.inference_mode()
def measure_precisions(plan: Plan, *, device: str) -> dict[str, Measured]:
    """How each precision compares with float32 on a device, by its word."""
    reader, pixels = _placed(plan, device)
    probe = pixels(torch.from_numpy(probe_tiles(plan.tile_px)))
    return {arithmetic.precision: measured for arithmetic, measured in trials(reader, probe)}


def _placed(plan: Plan, device: str) -> tuple[Reader, Pixels]:
    """The network on a device, with its reader, once it has embedded a tile there."""
    network = _loaded(plan).eval().requires_grad_(requires_grad=False)
    _say_licence(plan, network)
    reader = reader_of(network, plan.spec, tile_px=plan.tile_px).eval()
    if plan.spec.precision == "bf16":
        # Before it moves: a network that fits in bf16 only never needs twice the room.
        reader = reader.to(torch.bfloat16)
    try:
        reader = reader.to(device)
        pixels = Pixels(network, torch.device(device))
        _try_out(reader, pixels, plan)
    except torch.OutOfMemoryError as error:
        precision = plan.spec.precision
        raise DeviceMemoryError(plan.spec.name, device=device, precision=precision) from error
    return reader, pixels


def _try_out(reader: Reader, pixels: Pixels, plan: Plan) -> None:
    """Embed a blank tile: a network that fails on it fails on all, and no photo is to blame."""
    side, name = plan.tile_px, plan.spec.name
    cells = (len(cells_of(plan.spec, tile_px=side)) - 1) ** 2
    blank = pixels(torch.zeros((1, side, side, 3), dtype=torch.uint8))
    try:
        with torch.inference_mode():
            found = tuple(reader(blank.to(next(reader.parameters()).dtype)).shape)
    except (BiomassError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever a network of timm may do
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UnusableTileError(name, tile_px=side, reason=reason) from error
    if found != (1, cells, reader.feature_dim):
        reason = f"it gives rows of shape {found[1:]}, not {(cells, reader.feature_dim)}"
        raise UnusableTileError(name, tile_px=side, reason=reason)


def _loaded(plan: Plan) -> nn.Module:
    """The network, which for some tile sizes cannot even be made."""
    side = plan.tile_px
    try:
        return load_network(plan.model, plan.path, tile_px=side)
    except (AssertionError, RuntimeError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UnusableTileError(plan.spec.name, tile_px=side, reason=reason) from error


def _say_licence(plan: Plan, network: nn.Module) -> None:
    place: Any = network.pretrained_cfg
    notice = licence_notice(licence_of(plan.model) or place.get("license") or "")
    if plan.path and notice:
        _logger.warning("%s: %s", plan.spec.name, notice)
