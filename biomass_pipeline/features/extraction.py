"""What decides a feature, as one fingerprint, and the embedder of what a cache lacks."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.config import Config, fingerprint
from biomass_pipeline.features.backbone import Backbone
from biomass_pipeline.features.engine import Block, embed_photos
from biomass_pipeline.features.photos import Photo, Reading
from biomass_pipeline.imaging import decoder_identity

# Raise it when decoding, cutting or batching changes what a backbone sees.
CODE_VERSION = "2"


def extraction_fingerprint(config: Config, identity: Mapping[str, str]) -> str:
    """The hash of decode, tiling, backbone, weights, tokens, layers and number type.

    Args:
        config: Its `tiling`, `backbone` and `cache` sections decide; a checkpoint's path does not.
        identity: What decides the backbone's output, with the hash of its weights.
    """
    return fingerprint(
        {
            "code": CODE_VERSION,
            "decoder": decoder_identity(),
            "tiling": config.tiling.model_dump(mode="json"),
            "backbone": dict(identity),
            "tokens": config.backbone.tokens,
            "layers": config.backbone.layers,
            "dtype": config.cache.dtype,
        }
    )


@dataclass(frozen=True)
class Progress:
    """How far an extraction is.

    Attributes:
        n_photos: Photos that are done, also those that were refused.
        n_refused: Those that could not be embedded.
    """

    n_photos: int
    n_tiles: int
    total_photos: int
    total_tiles: int
    n_refused: int = 0


class Engine(Protocol):
    """What embeds photos: this machine or a cluster. Equal blocks from either."""

    def __call__(
        self,
        photos: Sequence[Photo],
        wanted: Mapping[int, NDArray[np.int64]],
        *,
        reading: Reading,
        build: Callable[[], Sequence[Backbone]],
    ) -> Generator[Block]:
        """Yield the blocks of the tiles that are wanted."""


def embed_here(
    photos: Sequence[Photo],
    wanted: Mapping[int, NDArray[np.int64]],
    *,
    reading: Reading,
    build: Callable[[], Sequence[Backbone]],
) -> Generator[Block]:
    """Embed on this machine, on all the devices that `build` gives."""
    return embed_photos(photos, wanted, reading=reading, backbones=build())


@dataclass
class PhotoEmbedder:
    """Embeds photos by their place in a fold. The backbone is built when it is first needed.

    Attributes:
        photos: The fold's photos, in its order.
        reading: How they are read.
        build: Makes the backbones, one a lane.
        engine: What embeds.
        on_progress: Called after each block.
    """

    photos: Sequence[Photo]
    reading: Reading
    build: Callable[[], Sequence[Backbone]]
    engine: Engine
    on_progress: Callable[[Progress], None]

    def __post_init__(self) -> None:
        self.build = _Once(self.build)

    def feature_dim(self) -> int:
        """The width of a feature row."""
        return self.build()[0].feature_dim

    def notes(self) -> Mapping[str, str]:
        """What else is worth writing down about the backbone."""
        return {"precision": self.build()[0].precision}

    def embed(self, wanted: Mapping[int, NDArray[np.int64]]) -> Generator[Block]:
        """Yield rows of the tiles that are wanted, by photo.

        Args:
            wanted: For each photo's place, the positions of its tiles.
        """
        left = {photo: len(tiles) for photo, tiles in wanted.items() if len(tiles)}
        if not left:
            return
        total_photos, total_tiles, n_refused = len(left), sum(left.values()), 0
        n_tiles = 0
        blocks = self.engine(self.photos, wanted, reading=self.reading, build=self.build)
        with closing(blocks):
            for block in blocks:
                yield block
                done = left[block.photo] if block.reason else len(block.tiles)
                n_refused += bool(block.reason)
                n_tiles += done
                left[block.photo] -= done
                if not left[block.photo]:
                    del left[block.photo]
                n_photos = total_photos - len(left)
                self.on_progress(Progress(n_photos, n_tiles, total_photos, total_tiles, n_refused))


class _Once:
    """Builds at the first call and remembers; another process that it is sent to builds anew."""

    def __init__(self, build: Callable[[], Sequence[Backbone]]) -> None:
        self._build = build
        self._built: list[Backbone] = []

    def __call__(self) -> Sequence[Backbone]:
        if not self._built:
            self._built.extend(self._build())
        return self._built

    def __reduce__(self) -> tuple[object, ...]:
        return _Once, (self._build,)


class Contents(Protocol):
    """The photos of a fold and their tiles."""

    @property
    def paths(self) -> Sequence[str]:
        """One a photo."""

    @property
    def image_sha256(self) -> Sequence[str]:
        """One a photo."""

    def tile_coords(self, photo: int) -> NDArray[np.int32]:
        """Shape (tile, 2), each tile's (row_px, col_px)."""


def photos_of(contents: Contents) -> list[Photo]:
    """The photos of a fold with their tiles' corners."""
    listed = zip(contents.paths, contents.image_sha256, strict=True)
    return [Photo(path, sha, contents.tile_coords(i)) for i, (path, sha) in enumerate(listed)]
