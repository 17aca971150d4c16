"""Random convolutional features (MOSAIKS, Rolf et al. 2021, arXiv 2010.08168), without torch.

Filters are Gaussian noise of a fixed seed, with a bias of -1 on standardised colours. Colours are
taken as lightness, 2G - R - B and R - B, each over its spread: in RGB the three channels move
together, and nearly every random filter would see nothing but light and shade.

All arithmetic up to the pooling is on whole numbers small enough for float32 to hold exactly, so
a row is the same whatever library, number of threads or processor multiplies the matrices.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.features.backbone import TILES_A_THREAD, Features, Tiles, embed_each

NAME = "rcf"
# Raise with any change to a number that the backbone gives.
VERSION = "1"
SEED = 0
BIAS = -1.0
# Filters are rounded to whole numbers after this scaling: three digits of the weakest channel.
WEIGHT_SCALE = 1000.0
BLOCK_POSITIONS = 2048
# OpenBLAS multiplies with all cores from 2^18 products on. Tiles are already spread over the cores:
# its threads would wait for each other in busy loops, at ten times the cost of the work itself.
SINGLE_THREAD_PRODUCTS = 2**18


@dataclass(frozen=True)
class Opponent:
    """A colour axis: whole-numbered weights of R, G and B, its usual value and its spread."""

    mix: tuple[int, int, int]
    centre: int
    spread: float


# Centres and spreads are round figures of daylight field photos, in 8-bit counts.
OPPONENTS = (
    Opponent(mix=(1, 1, 1), centre=330, spread=135.0),
    Opponent(mix=(-1, 2, -1), centre=5, spread=25.0),
    Opponent(mix=(1, 0, -1), centre=25, spread=20.0),
)


@dataclass(frozen=True)
class Bank:
    """One set of filters: patches of `side_px` every `step_px` of a tile shrunk `shrink` times."""

    shrink: int
    side_px: int
    step_px: int
    filters: int


# From single pixels, which act as random colour detectors, to patches of 20 px of the tile.
BANKS = (
    Bank(shrink=1, side_px=1, step_px=2, filters=32),
    Bank(shrink=1, side_px=3, step_px=2, filters=96),
    Bank(shrink=2, side_px=5, step_px=2, filters=96),
    Bank(shrink=4, side_px=5, step_px=1, filters=96),
)


class RandomConvolutions:
    """Embeds a tile as the mean rectified response of random filters and of their negatives."""

    name = NAME
    weights_sha256 = ""
    precision = ""

    def __init__(self, tile_px: int, *, threads: int = 1) -> None:
        self.tile_px = tile_px
        self.feature_dim = 2 * sum(bank.filters for bank in BANKS)
        self._threads = threads
        self.batch_size = TILES_A_THREAD * threads
        self._weights = [filter_weights(bank, seed=SEED + k) for k, bank in enumerate(BANKS)]

    @property
    def identity(self) -> Mapping[str, str]:
        """What decides the output."""
        return identity()

    def embed(self, tiles: Tiles) -> Features:
        """Describe tiles of shape (tile, side, side, 3) in rows of shape (tile, feature)."""
        return embed_each(tiles, self._row, feature_dim=self.feature_dim, threads=self._threads)

    def _row(self, tile: NDArray[np.uint8]) -> Features:
        pairs = zip(BANKS, self._weights, strict=True)
        return np.concatenate([_responses(tile, bank, weights) for bank, weights in pairs])


def identity() -> dict[str, str]:
    """What decides the output."""
    return {
        "name": NAME,
        "version": VERSION,
        "weights": f"Gaussian, seed {SEED}, bias {BIAS:g}",
        "weights_sha256": "",
        "input": repr(OPPONENTS),
        "banks": repr(BANKS),
        "opencv": cv2.__version__,
    }


def filter_weights(bank: Bank, *, seed: int) -> NDArray[np.float32]:
    """Whole-numbered Gaussian filters over the spread of each colour axis.

    Returns:
        Shape (patch, filter): a column is a filter, its rows run over height, width and colour.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    normal = generator.standard_normal((bank.side_px**2, len(OPPONENTS), bank.filters))
    spread = np.array([axis.spread for axis in OPPONENTS])[:, np.newaxis]
    whole = np.rint(WEIGHT_SCALE * normal / spread).reshape(-1, bank.filters)
    return np.asarray(whole, np.float32)


def _responses(tile: NDArray[np.uint8], bank: Bank, weights: NDArray[np.float32]) -> Features:
    """Mean rectified responses to the filters, then to their negatives, shape (2 filter,)."""
    threshold = np.float32(-BIAS * WEIGHT_SCALE)
    totals, positions = np.zeros((2, bank.filters)), 0
    for patches in _patches(tile, bank):
        response = _product(patches, weights)
        rectified = np.maximum(response, threshold)
        totals[0] += rectified.sum(axis=0)
        np.minimum(response, -threshold, out=rectified)
        totals[1] -= rectified.sum(axis=0)
        positions += len(patches)
    means = (totals / positions - threshold) / WEIGHT_SCALE
    # Over the root of the patch's size, so that banks of all sizes answer alike.
    return np.asarray(means / np.sqrt(len(weights)), np.float32).ravel()


def _product(patches: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The matrix product of shape (position, filter), in pieces too small for BLAS threads."""
    rows = max(1, SINGLE_THREAD_PRODUCTS // weights.size)
    whole = len(patches) // rows * rows
    product = np.empty((len(patches), weights.shape[1]), np.float32)
    pieces = product[:whole].reshape(-1, rows, weights.shape[1])
    np.matmul(patches[:whole].reshape(-1, rows, len(weights)), weights, out=pieces)
    np.matmul(patches[whole:], weights, out=product[whole:])
    return product


def _patches(tile: NDArray[np.uint8], bank: Bank) -> Iterator[NDArray[np.float32]]:
    """Blocks of patches of centred colours, shape (position, patch), whole numbers.

    A block is small enough to stay in a core's cache through all that is done with it.
    """
    image = _opponents(_shrunk(tile, bank))
    window = (bank.side_px, bank.side_px, len(OPPONENTS))
    views = np.lib.stride_tricks.sliding_window_view(image, window)
    kept = views[:: bank.step_px, :: bank.step_px, 0]
    rows = max(1, BLOCK_POSITIONS // kept.shape[1])
    for start in range(0, len(kept), rows):
        yield np.reshape(kept[start : start + rows], (-1, int(np.prod(window))))


def _shrunk(tile: NDArray[np.uint8], bank: Bank) -> NDArray[np.uint8]:
    """The tile with each pixel the rounded mean of a square of them; never below a patch."""
    side = tile.shape[0] // bank.shrink
    if side < bank.side_px:
        size = (bank.side_px, bank.side_px)
        return np.asarray(cv2.resize(tile, size, interpolation=cv2.INTER_AREA), np.uint8)
    if bank.shrink == 1:
        return tile
    whole = tile[: side * bank.shrink, : side * bank.shrink]
    return np.asarray(cv2.resize(whole, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _opponents(tile: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Centred colours, shape (side, side, axis): sums of whole numbers, exact in float32."""
    mix = np.array([[*axis.mix, -axis.centre] for axis in OPPONENTS], np.float32)
    return np.asarray(cv2.transform(tile.astype(np.float32), mix), np.float32)
