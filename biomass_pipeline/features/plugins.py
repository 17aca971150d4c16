"""Backbones of other packages, found by their entry points. Imports no torch by itself.

A package offers one in its pyproject.toml, and needs nothing else of this one:

    [project.entry-points."biomass_pipeline.backbones"]
    my-network = "my_package.backbone:factory"
"""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, runtime_checkable

from biomass_pipeline.errors import BackbonePluginError
from biomass_pipeline.features.backbone import Backbone

GROUP = "biomass_pipeline.backbones"


@runtime_checkable
class BackboneFactory(Protocol):
    """What an entry point of the group leads to: a module, or any object, with two functions."""

    def identity(self) -> Mapping[str, str]:
        """Everything that decides the output, found out without building.

        Returns:
            Strings by name, among them `name`, the entry point's, and `weights_sha256`, empty
            where there are no weights.
        """
        ...

    def build(self, *, tile_px: int, device: str) -> Backbone:
        """Make the backbone, whose `identity` is the same; it gives one row a tile.

        One thread at a time calls its `embed`.
        """
        ...


def plugins() -> dict[str, list[EntryPoint]]:
    """The entry points by name: several under one name are a clash."""
    found: dict[str, list[EntryPoint]] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, package(point))):
        found.setdefault(point.name, []).append(point)
    return found


def package(point: EntryPoint) -> str:
    """The package that an entry point came with, and its version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"


def clash(name: str, points: list[EntryPoint], *, taken: bool) -> str:
    """Why a name cannot be told from another; empty when it can.

    Args:
        name: The name.
        points: All entry points of this name.
        taken: Whether this package has a backbone of this name.
    """
    if taken:
        return f"`{name}` is a name of biomass_pipeline's own"
    return f"{len(points)} entry points have this name" if len(points) > 1 else ""


def points_of(name: str, *, taken: bool) -> list[EntryPoint]:
    """The entry point of a name, in a list that is empty when there is none.

    Args:
        name: The name.
        taken: Whether this package has a backbone of this name.

    Raises:
        BackbonePluginError: The name is not the entry point's alone.
    """
    points = plugins().get(name, [])
    problem = points and clash(name, points, taken=taken)
    if problem:
        raise _refusal(points, problem)
    return points


def load_factory(point: EntryPoint) -> BackboneFactory:
    """Import the backbone that a package offers.

    Raises:
        BackbonePluginError: It cannot be imported, or it is no factory.
    """
    try:
        factory = point.load()
    except Exception as error:  # whatever another package's code does
        raise _refusal([point], f"it cannot be imported ({_said(error)})") from error
    if not isinstance(factory, BackboneFactory):
        raise _refusal([point], f"{point.value} has no `identity` and `build`")
    return factory


def plugin_identity(point: EntryPoint) -> dict[str, str]:
    """What decides the output of another package's backbone.

    Raises:
        BackbonePluginError: The plugin cannot be used.
    """
    factory = load_factory(point)
    try:
        identity = dict(factory.identity())
    except Exception as error:  # as above
        raise _refusal([point], f"its `identity` fails ({_said(error)})") from error
    if identity.get("name") != point.name or "weights_sha256" not in identity:
        problem = f"its `identity` lacks `weights_sha256`, or its `name` is not {point.name}"
        raise _refusal([point], problem)
    return identity


def build_plugin(point: EntryPoint, *, tile_px: int, device: str) -> Backbone:
    """Make the backbone of another package.

    Raises:
        BackbonePluginError: The plugin cannot be used.
    """
    identity = plugin_identity(point)
    try:
        backbone = load_factory(point).build(tile_px=tile_px, device=device)
    except Exception as error:  # as above
        raise _refusal([point], f"it cannot be built ({_said(error)})") from error
    if not isinstance(backbone, Backbone):
        raise _refusal([point], f"what it built lacks {', '.join(_lacking(backbone))}")
    if dict(backbone.identity) != identity:
        raise _refusal([point], "what it built has another identity than announced")
    return backbone


def _lacking(backbone: object) -> list[str]:
    offered = [word for word in vars(Backbone) if not word.startswith("_")]
    return [f"`{word}`" for word in offered if not hasattr(backbone, word)]


def _refusal(points: list[EntryPoint], problem: str) -> BackbonePluginError:
    packages = [package(point) for point in points]
    return BackbonePluginError(points[0].name, packages=packages, problem=problem)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
