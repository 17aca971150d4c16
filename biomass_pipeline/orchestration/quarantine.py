"""Which photos are quarantined now, at the door or in extraction, and who was told of which."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd

from biomass_pipeline.errors import BiomassError
from biomass_pipeline.features import backbone_identity, extraction_fingerprint
from biomass_pipeline.layout import Layout
from biomass_pipeline.manifest import with_refusals
from biomass_pipeline.notices import Notice
from biomass_pipeline.orchestration.resources import feature_store
from biomass_pipeline.plain import counted
from biomass_pipeline.project import Project

_COLUMNS = ["image_id", "path", "sha256", "status", "reason"]
_SHOWN = 20
# A cursor of 12 digits a photo stays well below what Dagster's storage takes.
_REMEMBERED = 20_000


@dataclass(frozen=True)
class LeftOut:
    """A photo or a label that nothing is trained on or predicted for."""

    path: str
    reason: str
    sha256: str

    @property
    def mark(self) -> str:
        """The same for the same content and kind of reason, wherever the file lies."""
        kind = self.reason.partition(":")[0]
        text = f"{self.sha256 or self.path}\0{kind}"
        return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:12]


@dataclass(frozen=True)
class Quarantine:
    """What a project left out."""

    project: Project
    extraction: str

    @classmethod
    def of(cls, project: Project) -> "Quarantine":
        """That of the project's present extraction."""
        config = project.config
        identity = backbone_identity(config.backbone, base=project.base)
        return cls(project, extraction_fingerprint(config, identity))

    def photos(self) -> list[LeftOut] | None:
        """All of them, in the order of the manifest; None if that is not to be had now."""
        try:
            manifest = pd.read_parquet(self._layout.table("image_manifest"), columns=_COLUMNS)
        except (OSError, ValueError, KeyError):
            return None
        table = with_refusals(manifest, dict(self._refused()))
        left_out = table[table["status"] == "quarantined"]
        return [
            LeftOut(str(path), str(reason), str(sha256))
            for path, reason, sha256 in left_out[["path", "reason", "sha256"]].itertuples(
                index=False
            )
        ]

    @property
    def _layout(self) -> Layout:
        return self.project.layout

    def _refused(self) -> Iterator[tuple[str, str]]:
        """Id and reason of what could not be embedded; a file that cannot be read says nothing."""
        features = feature_store(self.project)
        for fold in (*range(self.project.config.folds.n_folds), None):
            with suppress(BiomassError, OSError):
                for photo in features.open(fold, self.extraction).quarantined():
                    yield photo.image_id, photo.reason


def untold(photos: Sequence[LeftOut], told: Sequence[str]) -> tuple[list[LeftOut], list[str]]:
    """Those that nobody was told of yet, and the marks of all that somebody was told of.

    Args:
        photos: What is quarantined now.
        told: The marks of earlier notices. They are kept when a photo is no longer quarantined:
            while a table is written anew it may seem so for a moment.

    Returns:
        Each untold photo once, and the marks to remember.
    """
    known = dict.fromkeys(told)
    new: list[LeftOut] = []
    for photo in photos:
        if photo.mark not in known:
            known[photo.mark] = None
            new.append(photo)
    return new, list(known)[-_REMEMBERED:]


def quarantine_notice(photos: Sequence[LeftOut]) -> Notice:
    """Tells which photos were left out and why."""
    count = len(photos)
    title = f"{counted(count, 'photo')} {'was' if count == 1 else 'were'} quarantined"
    lines = [f"{photo.path}: {photo.reason}" for photo in photos[:_SHOWN]]
    if count > _SHOWN:
        lines.append(f"and {count - _SHOWN} more, which the report lists.")
    return Notice(
        title,
        (
            *lines,
            "Nothing is trained on them. Replace the files, and they are taken by themselves.",
        ),
        level="warning",
        facts={"photos": [{"path": p.path, "reason": p.reason} for p in photos[:_SHOWN]]},
    )
