"""In which arithmetic a network is computed, and how exact and how fast each is.

Pixels are normalised in float32 whatever follows: folding mean and spread into bf16 weights costs
accuracy. Rows are pooled and returned in float32.
"""

import copy
import logging
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from biomass_pipeline.errors import CompileError, PrecisionMemoryError

LEAST_COSINE = 0.9999
# CUDA devices multiply bf16 matrices natively from this capability on (Ampere).
AMPERE = (8, 0)
PROBE_TILES = 2
PROBE_SEED = 0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measured:
    """How one precision compares with float32 on this device.

    Attributes:
        cosine: The smallest over all rows of the probe.
        seconds_per_tile: One tile alone.
    """

    cosine: float
    seconds_per_tile: float


class Arithmetic:
    """A network computed in one precision: float32 pixels in, float32 rows out."""

    def __init__(self, reader: nn.Module, precision: str) -> None:
        """Take over a reader: `bf16` changes its weights for good."""
        self.precision = precision
        self._compute: Any = _in_bf16(reader) if precision == "bf16" else reader

    def __call__(self, pixels: Tensor) -> Tensor:
        """Compute pixels of shape (tile, 3, side, side) into rows (tile, cell, feature)."""
        if self.precision == "bf16":
            pixels = pixels.to(torch.bfloat16)
        mixed = self.precision == "bf16-autocast"
        scope = torch.autocast(pixels.device.type, torch.bfloat16) if mixed else nullcontext()
        with scope:
            rows: Tensor = self._compute(pixels)
        return rows.float()

    def compile(self, pixels: Tensor, *, name: str) -> None:
        """Compile for batches of one shape, and compute one to see that it works.

        Raises:
            CompileError: This machine cannot.
        """
        self._compute = torch.compile(self._compute, dynamic=False)
        try:
            self(pixels)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # the compiler's many stages have errors of their own
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise CompileError(name, reason=reason) from error


def settle_precision(reader: nn.Module, precision: str, *, pixels: Tensor, name: str) -> Arithmetic:
    """The arithmetic that a configuration asks for; `auto` is measured on a device with bf16.

    Args:
        reader: In float32, on its device.
        precision: As configured.
        pixels: The normalised probe, shape (tile, 3, side, side), on the same device.
        name: Of the backbone.

    Raises:
        PrecisionMemoryError: The device cannot hold the network twice.
    """
    if precision != "auto":
        return Arithmetic(reader, precision)
    if not has_native_bf16(pixels.device):
        return Arithmetic(reader, "fp32")
    try:
        chosen = _fastest_exact(reader, pixels)
    except torch.OutOfMemoryError as error:
        raise PrecisionMemoryError(name, device=str(pixels.device)) from error
    _logger.info("%s on %s: precision %s", name, pixels.device, chosen.precision)
    return chosen


def trials(reader: nn.Module, pixels: Tensor) -> Iterator[tuple[Arithmetic, Measured]]:
    """Compute the probe in each precision, float32 first, the others from fast to slow.

    Args:
        reader: In float32, on its device; it stays as it is.
        pixels: The normalised probe, shape (tile, 3, side, side), on the same device.

    Yields:
        The arithmetic and how it compares; what is not asked for is not computed.
    """
    plain = Arithmetic(reader, "fp32")
    exact, seconds = _computed(plain, pixels)
    yield plain, Measured(1.0, seconds)
    for precision in ("bf16", "bf16-autocast"):
        own = copy.deepcopy(reader) if precision == "bf16" else reader
        arithmetic = Arithmetic(own, precision)
        rows, seconds = _computed(arithmetic, pixels)
        cosines = torch.cosine_similarity(exact.double(), rows.double(), dim=-1)
        yield arithmetic, Measured(float(cosines.min()), seconds)


def has_native_bf16(device: torch.device) -> bool:
    """Whether a device multiplies bf16 matrices by instructions of its own."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= AMPERE
    if device.type != "cpu":
        return False
    # A public answer exists in recent releases only.
    capabilities = getattr(torch.cpu, "get_capabilities", None)
    if capabilities:
        return any(has for what, has in capabilities().items() if what.endswith("bf16"))
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())


def probe_tiles(tile_px: int) -> NDArray[np.uint8]:
    """Coloured noise that falls off as 1/f, as photos do, shape (tile, side, side, 3)."""
    generator = np.random.Generator(np.random.PCG64(PROBE_SEED))
    noise = generator.standard_normal((PROBE_TILES, tile_px, tile_px, 3))
    rows, columns = np.fft.fftfreq(tile_px)[:, None], np.fft.rfftfreq(tile_px)[None]
    fall = 1 / np.maximum(np.hypot(rows, columns), 1 / tile_px)
    waves = np.fft.rfft2(noise, axes=(1, 2)) * fall[None, :, :, None]
    field = np.fft.irfft2(waves, s=(tile_px, tile_px), axes=(1, 2))
    field /= field.std(axis=(1, 2), keepdims=True)
    # Mostly light and shade, some colour, around the usual brown and green.
    shade = field.mean(axis=-1, keepdims=True)
    mixed = np.array([110, 115, 80]) + 45 * (shade + 0.3 * field)
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)


def _in_bf16(reader: nn.Module) -> nn.Module:
    """The network with bf16 weights, its attention in the form that suits the device."""
    if next(reader.parameters()).device.type == "cpu":
        # PyTorch's fused attention gains nothing from bf16 on a CPU: plain products take two
        # thirds of a ViT's time (benchmarks/extraction.py).
        for module in reader.modules():
            if hasattr(module, "fused_attn"):
                module.fused_attn = False  # type: ignore[assignment]  # timm's attribute
    return reader.to(torch.bfloat16)


def _fastest_exact(reader: nn.Module, pixels: Tensor) -> Arithmetic:
    """The first that is exact enough: a choice by the clock would change with the day's load."""
    tried = trials(reader, pixels)
    plain, _ = next(tried)
    exact = (arithmetic for arithmetic, measured in tried if measured.cosine >= LEAST_COSINE)
    return next(exact, plain)


def _computed(arithmetic: Arithmetic, pixels: Tensor) -> tuple[Tensor, float]:
    """Rows of the probe, shape (tile, cell, feature), and the seconds of its last tile."""
    rows, seconds = [], 0.0
    for tile in torch.split(pixels, 1):
        started = time.perf_counter()
        # Fetching the rows waits for the device; the first tile warms up.
        rows.append(arithmetic(tile).cpu())
        seconds = time.perf_counter() - started
    return torch.cat(rows), seconds
