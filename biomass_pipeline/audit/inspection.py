"""All of a project, one artefact after another, in the order in which they are made."""

from collections.abc import Iterator

from biomass_pipeline.audit.caches import audit_caches
from biomass_pipeline.audit.condition import Condition, State
from biomass_pipeline.audit.documents import audit_documents, audit_predictions
from biomass_pipeline.audit.ground import Ground, damaged
from biomass_pipeline.audit.leftovers import audit_leftovers
from biomass_pipeline.audit.models import audit_models
from biomass_pipeline.audit.storage import audit_storage, things_made
from biomass_pipeline.audit.tables import audit_door, audit_optional
from biomass_pipeline.errors import BiomassError, DamagedBundleError, MissingBundleError
from biomass_pipeline.inference.bundle_files import RECORD_NAME
from biomass_pipeline.orchestration import blueprint_of
from biomass_pipeline.project import Project
from biomass_pipeline.seal import Seal, read_seal


def audit_project(project: Project) -> Iterator[Condition]:
    """The condition of every artefact of a project. Nothing is written.

    Args:
        project: Whose artefacts are looked at. Photos and labels are not: they are given, and
            `biomass status` compares them.

    Yields:
        The condition of each artefact that is there or should be.
    """
    yield from audit(ground_of(project))


def ground_of(project: Project) -> Ground:
    """What an audit of a project stands on: its configuration, and what was once made."""
    return Ground(project, blueprint_of(project).extraction, things_made(project.layout))


def audit(ground: Ground) -> Iterator[Condition]:
    """The same, where what it stands on is known."""
    for part in _PARTS:
        yield from part(ground)


def _memory(ground: Ground) -> Iterator[Condition]:
    """Hashes of unchanged photos: a wrong one would hide that a photo changed."""
    path = ground.layout.image_sidecar
    if path.exists():
        name = ground.layout.name(path)
        if read_seal(path, name) is Seal.BROKEN:
            yield damaged(name, "it is not what was written (SHA-256)", "delete it")
        else:
            yield ground.table(path, ("image_manifest", None), remedy="delete it")


def _bundles(ground: Ground) -> Iterator[Condition]:
    """Models that were exported into the root folder."""
    # Only who has one pays for what reads it.
    for record in sorted(ground.layout.root.glob(f"*/{RECORD_NAME}")):
        from biomass_pipeline.inference.bundle import load_bundle  # noqa: PLC0415  # as above

        name = ground.layout.name(record)
        remedy = "export it again: `biomass export model`"
        try:
            load_bundle(record.parent)
        except (DamagedBundleError, MissingBundleError) as error:
            yield damaged(name, str(error), remedy)
        except BiomassError as error:
            yield Condition(name, State.EARLIER, str(error))
        else:
            yield Condition(name, State.WHOLE)


def _quarantine(ground: Ground) -> Iterator[Condition]:
    """Photos that are left out: the project is whole without them, and somebody should know."""
    path = ground.layout.table("image_manifest")
    table = ground.kept(path)
    left_out = 0 if table is None else int((table["status"] == "quarantined").sum())
    if left_out:
        what = f"{left_out} photos or labels are quarantined"
        yield Condition(
            ground.layout.name(path), State.QUARANTINED, what, "`biomass run` lists them"
        )


_PARTS = (
    _memory,
    audit_door,
    _quarantine,
    audit_caches,
    audit_models,
    audit_predictions,
    audit_optional,
    audit_documents,
    _bundles,
    audit_storage,
    audit_leftovers,
)
