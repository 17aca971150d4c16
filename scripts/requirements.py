"""Prints the requirements of pyproject.toml and of some of its extras, one a line.

Run while the image is built, before the code is copied: dependencies stay cached when code changes.
"""

import sys
import tomllib
from pathlib import Path


def requirements(project: dict, extras: list[str]) -> list[str]:
    """The dependencies of a project table, then those of the named extras."""
    optional = project["optional-dependencies"]
    unknown = sorted(set(extras) - set(optional))
    if unknown:
        known = ", ".join(sorted(optional))
        sys.exit(f"requirements: no extra called {', '.join(unknown)}; there are {known}")
    return [*project["dependencies"], *(line for extra in extras for line in optional[extra])]


if __name__ == "__main__":
    text = Path("pyproject.toml").read_text(encoding="utf-8")
    asked = [extra for extra in sys.argv[1].split(",") if extra]
    print("\n".join(requirements(tomllib.loads(text)["project"], asked)))
