"""What is written down of a configuration beside a result, and how two such records differ."""

from collections.abc import Iterator, Mapping
from typing import Any

from biomass_pipeline.config.sections import Config
from biomass_pipeline.plain import all_without_secrets

# How, where and when things run; where files are; searches, which recommend and decide nothing.
_DECIDES_NOTHING: dict[str, bool | set[str]] = {
    "name": True,
    "root": True,
    "automation": True,
    "compute": True,
    "imaging": True,
    "tuning": True,
    "data": {"images", "labels", "submission", "max_quarantined_fraction"},
    "evaluation": {"protocols"},
    "cache": {"read_from"},
}


def recorded(config: Config) -> dict[str, Any]:
    """The part of a configuration that may decide a score, ready for JSON."""
    return config.model_dump(mode="json", exclude=_DECIDES_NOTHING)


def presentable(config: Config) -> dict[str, Any]:
    """A whole configuration as people may see it, ready for JSON: of URLs no secret is left."""
    whole: dict[str, Any] = all_without_secrets(config.model_dump(mode="json"))
    notify = whole["automation"]["notify"]
    if notify["webhook"] is not None:
        notify["webhook"] = "***"
    return whole


def differing(
    before: Mapping[str, Any], after: Mapping[str, Any], *, path: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Each key that two records do not share, with both values; None where it is not there.

    Args:
        before: Nested mappings.
        after: Others.
        path: What comes before the keys.

    >>> list(differing({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2}}))
    [('a.b', 1, 3)]
    """
    for key in dict.fromkeys([*before, *after]):
        one, other = before.get(key), after.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from differing(one, other, path=f"{path}{key}.")
        elif one != other:
            yield f"{path}{key}", one, other
