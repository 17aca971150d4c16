"""What is attached to a kernel: the competition's data, the backbone's weights, and caches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from biomass_pipeline.config import BackboneConfig, Config, parse_config
from biomass_pipeline.errors import BiomassError, ConfigError, StaleCacheError
from biomass_pipeline.features.registry import source_of
from biomass_pipeline.kaggle.tree import TEST, TRAIN, Tree
from biomass_pipeline.layout import plain_name
from biomass_pipeline.store import FeatureCache, Stamp, open_cache

_SETTINGS = "SETTINGS"
# Of a stamp: the fingerprint hashes all the others and more, and a width follows from them.
_DERIVED = {"fingerprint", "feature_dim"}


@dataclass(frozen=True)
class Found:
    """The attached caches.

    Attributes:
        extraction: The fingerprint that their rows have, and that new rows will be filed under.
        caches: Those that can be used.
        remarks: What a person should know of the others, in sentences.
    """

    extraction: str
    caches: tuple[FeatureCache, ...]
    remarks: tuple[str, ...]


def competition_config(settings: str, tree: Tree) -> Config:
    """The configuration of a kernel: its settings, with the data where the tree has them.

    Args:
        settings: Sections of a configuration, in YAML.
        tree: Holds the competition, and weights where the backbone needs some.

    Raises:
        ConfigError: The settings are not valid.
        AttachedInputError: The competition or the weights are not attached, or several are.
    """
    try:
        content: Any = yaml.safe_load(settings) or {}
    except yaml.YAMLError as error:
        raise ConfigError(_SETTINGS, [f"it is not YAML: {error}"]) from None
    if not isinstance(content, dict):
        raise ConfigError(_SETTINGS, ["expected sections such as `backbone:` and `training:`"])
    folder = tree.competition()
    places = {
        "images": str(folder),
        "labels": str(folder / TRAIN),
        "submission": str(folder / TEST),
    }
    data = {**(content.get("data") or {}), **places}
    config = parse_config({**content, "data": data}, source=_SETTINGS)
    return config.model_copy(update={"backbone": _with_weights(config.backbone, tree)})


def look_at_caches(paths: Sequence[Path], stamp: Stamp, *, other_versions: bool) -> Found:
    """Tell caches that can be used from others.

    Args:
        paths: Files of features.
        stamp: The extraction of this kernel.
        other_versions: Take caches that say the same of themselves though their fingerprint is
            another one: made with other versions of libraries, such as at home. All that are
            taken must have one fingerprint; those of this kernel's own go first.
    """
    looked = [_look(path, stamp) for path in paths]
    usable = [each for each in looked if each.cache is not None]
    known = [stamp.fingerprint]
    if other_versions:
        known += [each.cache.fingerprint for each in usable if each.cache and not each.differs]
    taken = {each.cache.fingerprint for each in usable if each.cache}
    extraction = next((name for name in known if name in taken), stamp.fingerprint)
    return Found(
        extraction,
        tuple(each.cache for each in usable if each.cache and each.cache.fingerprint == extraction),
        tuple(_remarks(looked, extraction, own=stamp.fingerprint)),
    )


@dataclass(frozen=True)
class _Look:
    """A file of features: a handle on it, or why there is none, and what differs from ours."""

    path: Path
    cache: FeatureCache | None = None
    problem: str = ""
    differs: tuple[str, ...] = ()


def _look(path: Path, stamp: Stamp) -> _Look:
    try:
        return _Look(path, open_cache(path, stamp.fingerprint))
    except StaleCacheError as error:
        found = error.found
    except BiomassError as error:
        return _Look(path, problem=str(error))
    try:
        cache = open_cache(path, plain_name(found))
    except BiomassError as error:
        return _Look(path, problem=str(error))
    there = cache.stamp()
    names = [field.name for field in fields(Stamp) if field.name not in _DERIVED]
    differs = [
        f"{name} {getattr(there, name)!r} instead of {getattr(stamp, name)!r}"
        for name in names
        if getattr(there, name) != getattr(stamp, name)
    ]
    return _Look(path, cache, differs=tuple(differs))


def _remarks(looked: Sequence[_Look], extraction: str, *, own: str) -> Iterator[str]:
    for each in looked:
        if each.cache is None:
            yield f"not used: {each.problem}"
        elif each.cache.fingerprint != extraction:
            why = "; ".join(each.differs) or (
                "of what it says nothing differs, so it was made with other versions of libraries: "
                "OTHER_VERSIONS = True takes it"
            )
            found = each.cache.fingerprint
            yield f"not used: {each.path} is of extraction {found}, not {own}: {why}"
    if extraction != own:
        yield (
            f"used: caches of extraction {extraction}, made with other versions of libraries than "
            f"here. Photos that are embedded here may differ from them in the last digits."
        )


def _with_weights(backbone: BackboneConfig, tree: Tree) -> BackboneConfig:
    if backbone.random_weights or not isinstance(source_of(backbone), str):
        return backbone
    name = None if backbone.checkpoint is None else Path(backbone.checkpoint).name
    found = tree.weights(name)
    return backbone.model_copy(update={"checkpoint": None if found is None else str(found)})
