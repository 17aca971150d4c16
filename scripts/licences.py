"""Lists what the product brings along with its licences, and refuses what does not fit.

Usage: python scripts/licences.py [--page FILE]. Without a file nothing is written; the exit code
is 1 where a licence is unknown, or may not be passed on with software under Apache-2.0.

Read are the installed packages themselves: every requirement of biomass-pipeline and of the extras
that a user may ask for, and theirs in turn, as far as they are installed here.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PRODUCT = "biomass-pipeline"
HEAD = """# Licences of what comes along

What an installation on Linux with the extras `kubernetes`, `postgres`, `ray` and `torchmil`
brings along, as `make licences` finds it in the metadata of the installed packages. **Bold** is
what we ask for ourselves; the rest comes with it. biomass_pipeline itself is under Apache-2.0, and
its wheel holds nobody else's code.
"""
# What is used to build and test is passed on to nobody.
EXTRAS = ("gs", "kubernetes", "postgres", "ray", "s3", "torchmil")

# Permissive: notices are kept, and nothing is asked of our own code.
PERMISSIVE = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "HPND",
    "ISC",
    "MIT",
    "MIT-0",
    "MIT-CMU",
    "PSF-2.0",
    "Unlicense",
    "ZPL-2.1",
    "Zlib",
}
# Copyleft of the file or of the library alone, and what is nobody's to pass on. Each was looked at.
JUDGED = {
    "certifi": ("MPL-2.0", "copyleft of its own files only, which we do not change"),
    "tqdm": ("MPL-2.0 AND MIT", "copyleft of its own files only, which we do not change"),
    "psycopg2-binary": (
        "LGPL-3.0-or-later",
        "optional (`postgres`); a library of its own that can be exchanged, not linked into ours",
    ),
    "pyvips-binary": (
        "LGPL-3.0-or-later",
        "libvips as a shared library of its own, loaded at run time; another can take its place",
    ),
}
# The user's installer fetches them; neither our wheel nor our sdist holds them. Whoever passes on
# an image with CUDA in it is bound by NVIDIA's terms.
NOT_PASSED_ON = {"LicenseRef-NVIDIA-Proprietary"}
NVIDIA = "fetched by the user's installer on Linux with torch, never passed on by us"
# Old metadata say it in words of their own; the names are those of SPDX.
WORDS = (
    (r"apache.*2|apache software", "Apache-2.0"),
    (r"^mit\b|mit licen[sc]e|expat", "MIT"),
    (r"3-clause|bsd-3|new bsd|modified bsd", "BSD-3-Clause"),
    (r"2-clause|bsd-2", "BSD-2-Clause"),
    (r"\bbsd\b", "BSD-3-Clause"),
    (r"isc licen|^isc$", "ISC"),
    (r"python software foundation|^psf", "PSF-2.0"),
    (r"mozilla public license 2|mpl-2", "MPL-2.0"),
    (r"lesser general public|lgpl", "LGPL-3.0-or-later"),
    (r"nvidia", "LicenseRef-NVIDIA-Proprietary"),
)
# Their metadata name no licence: what the packages are.
READ = {
    # Empty; it only names NVIDIA's libraries.
    "cuda-toolkit": "LicenseRef-NVIDIA-Proprietary",
}


@dataclass(frozen=True)
class Package:
    """An installed package and what may be done with it; `fits` is empty where nothing may."""

    name: str
    version: str
    licence: str
    fits: str
    direct: bool


def packages() -> list[Package]:
    """Everything that the product brings along, by name."""
    wanted = dict(_reached(PRODUCT, frozenset(EXTRAS)))
    direct = set(_required(metadata.distribution(PRODUCT), frozenset(EXTRAS)))
    found = []
    for name, distribution in sorted(wanted.items()):
        licence = licence_of(name, distribution)
        found.append(
            Package(name, distribution.version, licence, judged(name, licence), name in direct)
        )
    return found


def licence_of(name: str, distribution: metadata.Distribution) -> str:
    """The SPDX expression of a package, as its metadata say it; empty where they say nothing."""
    said = distribution.metadata
    if expression := READ.get(name) or said.get("License-Expression"):
        return expression
    classified = [
        text.rpartition(" :: ")[2]
        for text in said.get_all("Classifier") or ()
        if text.startswith("License ::")
    ]
    words = [*said.get("License", "").splitlines()[:1], *classified]
    return next((spdx for spdx in map(_spdx, words) if spdx), "")


def _spdx(words: str) -> str:
    if words in PERMISSIVE or " AND " in words:
        return words
    lower = words.lower()
    return next((spdx for pattern, spdx in WORDS if re.search(pattern, lower)), "")


def judged(name: str, licence: str) -> str:
    """Why a package may be passed on; empty where it may not, or where nobody looked."""
    if name in JUDGED:
        expected, why = JUDGED[name]
        return why if licence == expected else ""
    if licence in NOT_PASSED_ON:
        return NVIDIA
    alternatives = [part.strip(" ()") for part in re.split(r"\bOR\b", licence)]
    fits = any(
        part and all(one.strip(" ()") in PERMISSIVE for one in re.split(r"\bAND\b", part))
        for part in alternatives
    )
    return "permissive" if fits else ""


def _reached(name: str, extras: frozenset[str]) -> Iterator[tuple[str, metadata.Distribution]]:
    """The installed packages that a package needs, directly or not."""
    waiting, seen = [(name, extras)], set()
    while waiting:
        current, asked = waiting.pop()
        if (current, asked) in seen:
            continue
        seen.add((current, asked))
        try:
            distribution = metadata.distribution(current)
        except metadata.PackageNotFoundError:
            continue  # of another platform, or of an extra that is not here
        if current != PRODUCT:
            yield current, distribution
        waiting += _required(distribution, asked).items()


def _required(
    distribution: metadata.Distribution, extras: Iterable[str]
) -> dict[str, frozenset[str]]:
    """Names of what a package requires here, with the extras that it asks of each."""
    found: dict[str, frozenset[str]] = {}
    for line in distribution.requires or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": one}) for one in ("", *extras)):
            continue
        name = canonicalize_name(requirement.name)
        found[name] = found.get(name, frozenset()) | frozenset(requirement.extras)
    found.pop(PRODUCT, None)
    return found


def page(found: Iterable[Package]) -> str:
    """The table for people."""
    lines = [
        HEAD,
        "| package | licence | what follows |",
        "|---|---|---|",
        *(
            f"| {'**' * one.direct}{one.name}{'**' * one.direct} | {one.licence or 'unknown'} | "
            f"{one.fits or '**does not fit**'} |"
            for one in found
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Look, print what does not fit, and write the table where one is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--page", type=Path, help="where the table is written")
    asked = parser.parse_args()
    found = packages()
    if asked.page:
        asked.page.write_text(page(found), encoding="utf-8")
    refused = [one for one in found if not one.fits]
    for one in refused:
        print(f"licences: {one.name} {one.version}: {one.licence or 'says no licence'}")
    print(f"licences: {len(found)} packages, {len(refused)} that do not fit Apache-2.0")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
