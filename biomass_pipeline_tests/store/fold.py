"""Folds of a few photos, and an embedder whose rows can be told by eye."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from biomass_pipeline.layout import Layout
from biomass_pipeline.store import FeatureFolder, FoldContents, Stamp

STAMP = Stamp("f" * 16, "fake", "", 8, 8, "cls", "last", 0, "float32")


@dataclass(frozen=True)
class Rows:
    """A block of some tiles of one photo."""

    photo: int
    tiles: np.ndarray
    features: np.ndarray
    reason: str = ""


def refused(photo, reason):
    return Rows(photo, np.empty(0, np.int64), np.empty((0, 0), np.float32), reason)


@dataclass
class ByContent:
    """Embeds tile j of a photo with content "c7" as [7, j]; counts what it is asked for.

    A row of view v and cell c of that tile is [7, j + (v * cells + c) / 1000].
    """

    contents: FoldContents
    asked: list[str] = field(default_factory=list)
    n_tiles: int = 0
    stop_after: int | None = None
    tiles_a_block: int = 1000
    refuses: dict[str, str] = field(default_factory=dict)

    def feature_dim(self):
        return 2

    def notes(self):
        return {"precision": "fp32"}

    def embed(self, wanted):
        for count, (photo, tiles) in enumerate(wanted.items()):
            if count == self.stop_after:
                raise KeyboardInterrupt
            sha = self.contents.image_sha256[photo]
            self.asked.append(sha)
            blocks = range(0, len(tiles), self.tiles_a_block)
            for start in blocks[:-1] if sha in self.refuses else blocks:
                yield self._block(photo, sha, tiles[start : start + self.tiles_a_block])
            if sha in self.refuses:
                yield refused(photo, self.refuses[sha])

    def _block(self, photo, sha, tiles):
        self.n_tiles += len(tiles)
        step = self.contents.rows_per_tile
        places = (tiles[:, None] + np.arange(step) / 1000).ravel()
        features = np.stack([np.full(len(places), float(sha[1:])), places], axis=1)
        return Rows(photo, tiles, features.astype(np.float32))


COLUMNS = ["image_id", "image_sha256", "path", "tile", "row_px", "col_px", "area_weight"]


def fold_of(*photos, tiles=2, **options):
    """Contents of photos given as (image_id, sha256)."""
    rows = [
        (name, sha, f"{name}.jpg", tile, 8 * tile, 0, 1 / tiles)
        for name, sha in photos
        for tile in range(tiles)
    ]
    return FoldContents.from_patch_index(pd.DataFrame(rows, columns=COLUMNS), **options)


def write(folder, fold, contents, *, max_refused=0, stamp=STAMP, **options):
    embedder = ByContent(contents, **options)
    written = folder.write(fold, contents, stamp=stamp, embedder=embedder, max_refused=max_refused)
    return written, embedder.asked


def folder_at(path):
    return FeatureFolder(Layout(Path(path)))


def final_of(folder, fold=0):
    return folder.layout.feature_cache(STAMP.fingerprint, fold)


def names(path):
    return sorted(file.name for file in Path(path).rglob("fold_*"))
