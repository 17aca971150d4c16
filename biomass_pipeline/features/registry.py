"""Names of backbones: what may be asked for, and who builds it. Imports no torch."""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import BackboneTileError, UnknownBackboneError
from biomass_pipeline.features import colour_texture, random_convolutions, weights
from biomass_pipeline.features.backbone import Backbone, usable_cores
from biomass_pipeline.features.joined import Joined, join_identities

JOINED_NAME = "colour-texture-rcf"
TIMM_PREFIX = "timm:"
# Bare timm names are recognised by how they start: every vision transformer of timm does.
TIMM_STARTS = ("vit_",)
ALIASES = weights.DINOV2_ALIASES


@dataclass(frozen=True)
class WeightsFree:
    """How a backbone without weights is built, and what it is known by."""

    build: Callable[[int, int], Backbone]
    identity: Callable[[], dict[str, str]]


def _build_joined(tile_px: int, threads: int) -> Backbone:
    parts = [WEIGHTS_FREE[name].build(tile_px, threads) for name in _JOINED_PARTS]
    return Joined(JOINED_NAME, parts)


def _joined_identity() -> dict[str, str]:
    return join_identities(JOINED_NAME, [WEIGHTS_FREE[name].identity() for name in _JOINED_PARTS])


_JOINED_PARTS = (colour_texture.NAME, random_convolutions.NAME)
WEIGHTS_FREE = {
    JOINED_NAME: WeightsFree(_build_joined, _joined_identity),
    colour_texture.NAME: WeightsFree(
        lambda tile_px, threads: colour_texture.ColourTexture(tile_px, threads=threads),
        colour_texture.identity,
    ),
    random_convolutions.NAME: WeightsFree(
        lambda tile_px, threads: random_convolutions.RandomConvolutions(tile_px, threads=threads),
        random_convolutions.identity,
    ),
}


def available() -> list[str]:
    """The registered names and aliases; besides these, `timm:NAME` and names like `vit_*`."""
    return [*WEIGHTS_FREE, *ALIASES]


def build_backbone(
    spec: BackboneConfig, *, tile_px: int, device: str = "cpu", base: Path = Path()
) -> Backbone:
    """Build the frozen network that a configuration names.

    Args:
        spec: Which backbone, with which weights.
        tile_px: The side of the tiles it will get.
        device: Where a network runs, such as `cpu` or `cuda:1`; the weights-free ones use all
            cores of the CPU.
        base: What a relative `checkpoint` is relative to.

    Raises:
        UnknownBackboneError: No backbone has this name.
        BackboneTileError: The network cannot see tiles of this size.
        MissingInputError: The checkpoint is not there.
        MissingWeightsError: No checkpoint is given, and none can be fetched.
        WeightsMisfitError: The checkpoint is of another network.
    """
    if spec.name in WEIGHTS_FREE:
        return WEIGHTS_FREE[spec.name].build(tile_px, usable_cores())
    model = timm_name(spec.name)
    _check_tile(model, tile_px)
    path = weights.locate(model, spec, base=base)
    identity = weights.timm_identity(model, spec, base=base)
    # torch and timm take seconds to import: not before everything else is known to be there.
    from biomass_pipeline.features.vit import build_timm  # noqa: PLC0415

    return build_timm(model, path, tile_px=tile_px, device=device, identity=identity)


def backbone_identity(spec: BackboneConfig, *, base: Path = Path()) -> dict[str, str]:
    """What decides a backbone's output, without building it or importing torch.

    Args:
        spec: Which backbone, with which weights.
        base: What a relative `checkpoint` is relative to.

    Returns:
        Strings by name; equal to the built backbone's `identity`.

    Raises:
        UnknownBackboneError: No backbone has this name.
        MissingInputError: The checkpoint is not there.
    """
    if spec.name in WEIGHTS_FREE:
        return WEIGHTS_FREE[spec.name].identity()
    return weights.timm_identity(timm_name(spec.name), spec, base=base)


def fetch_weights(spec: BackboneConfig, *, base: Path = Path()) -> str:
    """Make sure that a backbone's weights are on this machine, before anything is fingerprinted.

    Args:
        spec: Which backbone, with which weights.
        base: What a relative `checkpoint` is relative to.

    Returns:
        Where they are, for a person.

    Raises:
        UnknownBackboneError: No backbone has this name.
        MissingInputError: The checkpoint is not there.
        MissingWeightsError: No checkpoint is given, and none can be fetched.
    """
    if spec.name in WEIGHTS_FREE:
        return f"{spec.name} needs none"
    path = weights.locate(timm_name(spec.name), spec, base=base)
    return "random weights: an untrained network, for tests only" if path is None else str(path)


def timm_name(name: str) -> str:
    """The timm network behind a name: an alias, `timm:NAME`, or a bare name like `vit_*`.

    >>> timm_name("dinov2_vitl14_reg")
    'vit_large_patch14_reg4_dinov2'
    >>> timm_name("timm:resnet18")
    'resnet18'

    Raises:
        UnknownBackboneError: It is none of these.
    """
    if name in ALIASES:
        return ALIASES[name]
    if name.startswith(TIMM_PREFIX) and name != TIMM_PREFIX:
        return name.removeprefix(TIMM_PREFIX)
    if name.startswith(TIMM_STARTS):
        return name
    raise UnknownBackboneError(
        name, near=difflib.get_close_matches(name, available(), n=2), known=available()
    )


def _check_tile(model: str, tile_px: int) -> None:
    """Timm's names of vision transformers hold their patch size."""
    patch = re.search(r"_patch(\d+)", model)
    if patch and tile_px % int(patch[1]):
        raise BackboneTileError(model, tile_px=tile_px, patch_px=int(patch[1]))
