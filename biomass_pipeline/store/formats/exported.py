"""Folds that are read from an export, with the manners of the HDF5 cache."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from biomass_pipeline.store.bags import FeatureSet
from biomass_pipeline.store.cache import FeatureCache
from biomass_pipeline.store.contents import FoldContents, Quarantined, Stamp, check_refused
from biomass_pipeline.store.filling import Embedder
from biomass_pipeline.store.folder import FeatureFolder, Written
from biomass_pipeline.store.formats.folder import RECORD, Part, open_part, part_stem
from biomass_pipeline.store.formats.matching import check_match
from biomass_pipeline.store.inspection import Inspection


@dataclass(frozen=True)
class ExportedCache:
    """A handle on one fold of an export: a path, never an open file."""

    path: Path
    fingerprint: str

    def load(self) -> FeatureSet:
        """Read the whole fold into memory.

        Raises:
            ExportError: It is gone, damaged, or of another extraction by now.
        """
        return self.part().read().features

    def quarantined(self) -> tuple[Quarantined, ...]:
        """The fold's photos that it lacks, each with its reason."""
        return self.part().record.refused()

    def broken_photos(self) -> tuple[str, ...]:
        """The ids of photos with a feature that is NaN or infinite."""
        features = self.load()
        return tuple(
            name
            for photo, name in enumerate(features.image_ids)
            if not np.isfinite(features.bag(photo)).all()
        )

    def inspect(self) -> Inspection:
        """Read everything once.

        Raises:
            ExportError: It is not what was written.
        """
        part = self.part()
        part.read()
        return Inspection(bool(part.record.files), len(part.record.quarantined), ())

    def check_contents(self, contents: FoldContents) -> None:
        """Compare with what the fold should hold.

        Raises:
            OtherPhotosError: It holds other photos, contents or tiles.
        """
        check_match(self.part().read(), contents, path=self.path)

    def part(self) -> Part:
        """The fold with its record, read anew."""
        return open_part(self.path, self.fingerprint)


@dataclass(frozen=True)
class ExportedFeatures:
    """Folds from an export, and the photos without labels in HDF5 as ever.

    Attributes:
        export: A folder of `biomass cache export`; nothing is written there.
        beside: Where the photos without labels are kept.
    """

    export: Path
    beside: FeatureFolder

    def open(self, fold: int | None, fingerprint: str) -> FeatureCache | ExportedCache:
        """A handle on one fold; None: the photos without labels.

        Raises:
            ExportError: The export lacks it, or it is not of this extraction.
        """
        return (
            self.beside.open(None, fingerprint) if fold is None else self._open(fold, fingerprint)
        )

    def write(
        self,
        fold: int | None,
        contents: FoldContents,
        *,
        stamp: Stamp,
        embedder: Embedder,
        max_refused: int = 0,
    ) -> Written:
        """Make sure that a fold of the export holds just these contents; nothing is embedded.

        Raises:
            ExportError: It does not.
            TooManyRefusedError: It lacks more photos than may be refused.
        """
        if fold is None:
            return self.beside.write(
                None, contents, stamp=stamp, embedder=embedder, max_refused=max_refused
            )
        cache = self._open(fold, stamp.fingerprint)
        cache.check_contents(contents)
        refused, total = cache.quarantined(), len(contents.image_ids)
        check_refused(cache.path, refused, total=total, limit=max_refused)
        n_reused = total - len(refused)
        return Written(cache, n_embedded=0, n_reused=n_reused, quarantined=refused)

    def _open(self, fold: int, fingerprint: str) -> ExportedCache:
        path = self.export / f"{part_stem(fold)}{RECORD}"
        open_part(path, fingerprint)
        return ExportedCache(path, fingerprint)
