"""One look at what a project starts from: its photos, its label file, its training section."""

from dataclasses import dataclass

from biomass_pipeline.config import fingerprint
from biomass_pipeline.errors import VanishedPhotosError
from biomass_pipeline.manifest import (
    ImageFile,
    Settling,
    Sight,
    difference,
    listing_digest,
    recall_stamps,
)
from biomass_pipeline.orchestration.resources import LabelFile, PhotoFolder
from biomass_pipeline.plain import counted
from biomass_pipeline.project import Project


@dataclass(frozen=True)
class Seen:
    """What was there at one moment.

    Attributes:
        sight: Its digests.
        files: The photos, those still being written too.
    """

    sight: Sight
    files: tuple[ImageFile, ...]

    @property
    def inventory(self) -> str:
        """How many photos there are, for a person."""
        writing = sum(file.writing for file in self.files)
        growing = f", {writing} of them still being written" if writing else ""
        return f"{counted(len(self.files), 'photo')}{growing}"


@dataclass(frozen=True)
class Lookout:
    """Looks at a project's sources without opening a photo."""

    project: Project

    def look(self) -> Seen:
        """List the photos, hash the label file and the training section.

        Raises:
            MissingInputError: The photo folder is gone.
            UnreadableFolderError: It cannot be listed.
            VanishedPhotosError: It is empty, and was not before.
            ConfigError: The configuration is being edited.
        """
        config, base = self.project.config, self.project.base
        sidecar = self.project.layout.image_sidecar
        photos = PhotoFolder(
            config.data, base, sidecar, config.imaging, settling=settling_of(self.project)
        )
        files = tuple(photos.files())
        if not files and (known := recall_stamps(sidecar)):
            raise VanishedPhotosError(config.data.images, n_known=len(known))
        sight = Sight(
            photos=listing_digest(files),
            labels=LabelFile(config.data, base).version(),
            training=fingerprint(self.project.reread().training),
        )
        return Seen(sight, files)

    def cause(self, seen: Seen, *, before: Sight | None) -> str:
        """What is new, in one sentence for a run's tags.

        Args:
            seen: What is there now.
            before: What was acted on before; None at first.
        """
        stamps = recall_stamps(self.project.layout.image_sidecar)
        phrases = [*difference(seen.files, stamps).phrases()]
        if before is not None and before.labels != seen.sight.labels:
            phrases.append("the label file changed")
        if before is not None and before.training != seen.sight.training:
            phrases.append("the training section changed")
        return ", ".join(phrases) or ("first look" if before is None else "files were touched")


def settling_of(project: Project) -> Settling:
    """When a photo of a project counts as written whole."""
    automation = project.config.automation
    return Settling(automation.settle_s, automation.upload_marker)
