"""Names of backbones: what may be asked for, and who builds it. Imports no torch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.features import colour_texture, random_convolutions, weights
from biomass_pipeline.features.backbone import Backbone
from biomass_pipeline.features.joined import Joined, join_identities
from biomass_pipeline.features.naming import (
    NETWORKS,
    Network,
    is_of_timm,
    licence_notice,
    licence_of,
    timm_name,
)
from biomass_pipeline.features.plugins import clash, package, plugin_identity, plugins, points_of
from biomass_pipeline.features.tokens import check_reading
from biomass_pipeline.features.views import view_identity

JOINED_NAME = "colour-texture-rcf"


@dataclass(frozen=True)
class WeightsFree:
    """How a backbone without weights is built, and what it is known by."""

    what: str
    build: Callable[[int, int], Backbone]
    identity: Callable[[], dict[str, str]]


def _build_joined(tile_px: int, threads: int) -> Backbone:
    parts = [WEIGHTS_FREE[name].build(tile_px, threads) for name in _JOINED_PARTS]
    return Joined(JOINED_NAME, parts)


def _joined_identity() -> dict[str, str]:
    return join_identities(JOINED_NAME, [WEIGHTS_FREE[name].identity() for name in _JOINED_PARTS])


_JOINED_PARTS = (colour_texture.NAME, random_convolutions.NAME)
WEIGHTS_FREE = {
    JOINED_NAME: WeightsFree("the next two side by side", _build_joined, _joined_identity),
    colour_texture.NAME: WeightsFree(
        "colour, vegetation index and texture statistics",
        lambda tile_px, threads: colour_texture.ColourTexture(tile_px, threads=threads),
        colour_texture.identity,
    ),
    random_convolutions.NAME: WeightsFree(
        "random convolutional features (MOSAIKS)",
        lambda tile_px, threads: random_convolutions.RandomConvolutions(tile_px, threads=threads),
        random_convolutions.identity,
    ),
}


def available() -> list[str]:
    """The registered names; besides these, `timm:NAME` and names like `vit_*`."""
    return [*WEIGHTS_FREE, *NETWORKS, *plugins()]


def source_of(spec: BackboneConfig) -> WeightsFree | EntryPoint | str:
    """What gives the backbone of a name: a recipe, another package, or timm by this name.

    Raises:
        UnknownBackboneError: No backbone has this name.
        BackbonePluginError: Several packages have one of this name.
        UnsupportedReadingError: It cannot give the configured tokens or layers.
    """
    name = spec.name
    taken = name in WEIGHTS_FREE or is_of_timm(name)
    points = points_of(name, taken=taken)
    recipe = WEIGHTS_FREE.get(name)
    source = points[0] if points else recipe or timm_name(name, known=available())
    check_reading(spec)
    return source


def backbone_identity(spec: BackboneConfig, *, base: Path = Path()) -> dict[str, str]:
    """What decides a backbone's output, without building it or importing torch.

    Args:
        spec: Which backbone, with which weights, read how, computed how.
        base: What a relative `checkpoint` is relative to.

    Returns:
        Strings by name; equal to the built backbone's `identity`.

    Raises:
        UnknownBackboneError: No backbone has this name.
        BackbonePluginError: Another package's backbone cannot be used.
        UnsupportedReadingError: It cannot give the configured tokens or layers.
        MissingInputError: The checkpoint is not there.
    """
    source = source_of(spec)
    if isinstance(source, str):
        return weights.timm_identity(source, spec, base=base)
    identity = plugin_identity(source) if isinstance(source, EntryPoint) else source.identity()
    return view_identity(identity, spec.views, spec.view_rows)


def fetch_weights(spec: BackboneConfig, *, base: Path = Path()) -> str:
    """Make sure that a backbone's weights are on this machine, before anything is fingerprinted.

    Args:
        spec: Which backbone, with which weights.
        base: What a relative `checkpoint` is relative to.

    Returns:
        Where they are, and a licence that asks for something, for a person.

    Raises:
        UnknownBackboneError: No backbone has this name.
        BackbonePluginError: Several packages have one of this name.
        UnsupportedReadingError: It cannot give the configured tokens or layers.
        MissingInputError: The checkpoint is not there.
        MissingWeightsError: No checkpoint is given, and none can be fetched.
    """
    source = source_of(spec)
    if isinstance(source, WeightsFree):
        return f"{spec.name} needs none"
    if isinstance(source, EntryPoint):
        return f"{spec.name} of {package(source)} brings its own"
    path = weights.locate(source, spec, base=base)
    if path is None:
        return "random weights: an untrained network, for tests only"
    notice = licence_notice(licence_of(source))
    return f"{path}; {notice}" if notice else str(path)


@dataclass(frozen=True)
class Listing:
    """One line of what may be asked for; empty or 0 where only building it would tell.

    Attributes:
        name: For `backbone.name`.
        what: In words.
        width: Of a row of its `cls` token.
        patch_px: Side of a patch; 0 where it has none.
        licence: Of the weights.
        weights: Where they come from, and whether they are here.
    """

    name: str
    what: str
    width: int
    patch_px: int
    licence: str
    weights: str


def list_backbones() -> Iterator[Listing]:
    """Everything that may be asked for by a name of its own, without importing torch."""
    for name, recipe in WEIGHTS_FREE.items():
        width = recipe.build(8, 1).feature_dim
        yield Listing(name, recipe.what, width, 0, "this package's", "needs none")
    for name, network in NETWORKS.items():
        yield _listed(name, network)
    for name, points in plugins().items():
        packages = " and ".join(map(package, points))
        problem = clash(name, points, taken=name in WEIGHTS_FREE or is_of_timm(name))
        brings = f"unusable: {problem}" if problem else "brings its own"
        yield Listing(name, f"from {packages}", 0, 0, "the package's", brings)


def _listed(name: str, network: Network) -> Listing:
    here = "on this machine" if weights.is_here(network) else "to be fetched"
    return Listing(
        name,
        network.what,
        network.width,
        network.patch_px,
        network.licence,
        f"{here}: https://huggingface.co/{network.hub_repo}",
    )
