"""What decides a feature, as one fingerprint, and the embedder of what a cache lacks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.config import Config, fingerprint
from biomass_pipeline.features.backbone import Backbone
from biomass_pipeline.features.engine import Photo, Progress, Workers, embed_photos

# Raise it when decoding, cutting or batching changes what a backbone sees.
CODE_VERSION = "1"


def extraction_fingerprint(config: Config, identity: Mapping[str, str]) -> str:
    """The hash of decode, tiling, backbone, weights, tokens, layers and number type.

    Args:
        config: Its `tiling`, `backbone` and `cache` sections decide; a checkpoint's path does not.
        identity: What decides the backbone's output, with the hash of its weights.
    """
    return fingerprint(
        {
            "code": CODE_VERSION,
            "decoder": f"pillow {version('pillow')}",
            "tiling": config.tiling.model_dump(mode="json"),
            "backbone": dict(identity),
            "tokens": config.backbone.tokens,
            "layers": config.backbone.layers,
            "dtype": config.cache.dtype,
        }
    )


@dataclass
class PhotoEmbedder:
    """Embeds photos by their place in a fold. The backbone is built when it is first needed.

    Attributes:
        photos: The fold's photos, in its order.
        read: Gives a photo's bytes by its path.
        build: Makes the backbone.
        tile_px: Side of a tile.
        on_progress: Called after each photo.
    """

    photos: Sequence[Photo]
    read: Callable[[str], bytes]
    build: Callable[[], Backbone]
    tile_px: int
    workers: Workers
    on_progress: Callable[[Progress], None]
    _built: list[Backbone] = field(default_factory=list, init=False)

    def feature_dim(self) -> int:
        """The width of a feature row."""
        return self._backbone().feature_dim

    def embed(self, photos: Sequence[int]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield each photo's place and its features, shape (tile, feature)."""
        if not photos:
            return
        chosen = [self.photos[index] for index in photos]
        done = embed_photos(
            chosen,
            read=self.read,
            backbone=self._backbone(),
            tile_px=self.tile_px,
            workers=self.workers,
            on_progress=self.on_progress,
        )
        for position, features in done:
            yield photos[position], features

    def _backbone(self) -> Backbone:
        if not self._built:
            self._built.append(self.build())
        return self._built[0]


def photos_of(
    paths: Sequence[str],
    image_sha256: Sequence[str],
    *,
    coords: NDArray[Any],
    offsets: NDArray[Any],
) -> list[Photo]:
    """The photos of a fold with their tiles' corners.

    Args:
        paths: One a photo.
        image_sha256: One a photo.
        coords: Shape (patch, 2), (row_px, col_px).
        offsets: Shape (photo + 1,).
    """
    return [
        Photo(path, sha, coords[start:stop])
        for path, sha, (start, stop) in zip(paths, image_sha256, pairwise(offsets), strict=True)
    ]
