"""Several backbones side by side: their rows are joined."""

from collections.abc import Mapping, Sequence

import numpy as np

from biomass_pipeline.features.backbone import Backbone, Features, Tiles


class Joined:
    """Embeds a tile by each part and joins the rows in the order of the parts."""

    weights_sha256 = ""
    precision = ""

    def __init__(self, name: str, parts: Sequence[Backbone]) -> None:
        self.name = name
        self.tile_px = parts[0].tile_px
        self.feature_dim = sum(part.feature_dim for part in parts)
        self.batch_size = max(part.batch_size for part in parts)
        self._parts = tuple(parts)

    @property
    def identity(self) -> Mapping[str, str]:
        """What decides the output: the identities of all parts."""
        return join_identities(self.name, [part.identity for part in self._parts])

    def embed(self, tiles: Tiles) -> Features:
        """Embed tiles of shape (tile, side, side, 3) into rows of shape (tile, feature)."""
        return np.concatenate([part.embed(tiles) for part in self._parts], axis=1)


def join_identities(name: str, parts: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """One flat identity: a part's keys are prefixed with its name.

    >>> join_identities("both", [{"name": "a", "version": "1"}, {"name": "b", "version": "2"}])
    {'name': 'both', 'weights_sha256': '', 'a.version': '1', 'b.version': '2'}
    """
    joined = {"name": name, "weights_sha256": ""}
    for part in parts:
        joined |= {f"{part['name']}.{key}": part[key] for key in part if key != "name"}
    return joined
