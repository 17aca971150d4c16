"""The file of a site's calibration: JSON that a person can read and a later version can refuse."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biomass_pipeline.errors import StrangerSiteError, UnreadableSiteError
from biomass_pipeline.inference.calibration import SiteCalibration
from biomass_pipeline.whole import write_whole

SCHEMA_VERSION = 1
_KIND = "biomass site calibration"


def write_site(
    site: SiteCalibration, path: Path, *, report: Mapping[str, Any] | None = None
) -> None:
    """Write a calibration, whole or not at all.

    Args:
        site: What is written in full precision.
        path: Where to; its folder is made.
        report: What was found with it, for people; not read back.
    """
    plain = {"schema_version": SCHEMA_VERSION, "kind": _KIND, **site.to_plain()}
    if report is not None:
        plain["report"] = dict(report)
    text = json.dumps(plain, indent=1, allow_nan=False)
    write_whole(path, lambda partial: partial.write_text(text + "\n", encoding="utf-8"))


def read_site(path: Path, *, model: str) -> SiteCalibration:
    """Read a calibration that was learnt on top of this model.

    Args:
        path: As `write_site` wrote it.
        model: The fingerprint of the model that predicts.

    Raises:
        UnreadableSiteError: There is no such file, or it is none of this version, or damaged.
        StrangerSiteError: It belongs to another model.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnreadableSiteError(path, reason="there is no such file") from None
    except (OSError, ValueError) as error:
        raise UnreadableSiteError(path, reason=str(error)) from None
    if not isinstance(plain, dict) or plain.get("kind") != _KIND:
        raise UnreadableSiteError(path, reason=f"it is no `{_KIND}`")
    if plain.get("schema_version") != SCHEMA_VERSION:
        found = f"version {plain.get('schema_version')}, not {SCHEMA_VERSION}"
        raise UnreadableSiteError(path, reason=f"its layout is {found}")
    try:
        site = SiteCalibration.from_plain(plain)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UnreadableSiteError(path, reason=reason) from None
    if site.model != model:
        raise StrangerSiteError(path, found=site.model, expected=model)
    return site
