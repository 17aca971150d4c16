"""Writes what the product brings along as a CycloneDX bill of materials.

Usage: python scripts/sbom.py FILE. The field's own tool reads the environment; left out are what
only builds and tests, and every address: a package is named by its purl.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from licences import PRODUCT, packages
from packaging.utils import canonicalize_name


def main(file: Path) -> None:
    """Ask the tool, leave out what is not the product's, and write."""
    with tempfile.TemporaryDirectory(prefix="biomass-sbom-") as name:
        raw = Path(name) / "all.json"
        words = ["cyclonedx-py", "environment", sys.executable, "--of", "JSON"]
        words += ["--output-reproducible", "--pyproject", "pyproject.toml", "-o", str(raw)]
        # Certificates are those of the machine, as everywhere in scripts/.
        environment = {**os.environ, "UV_SYSTEM_CERTS": "1"}
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        tool = [uv, "tool", "run", "--quiet", "--from", "cyclonedx-bom>=7"]
        subprocess.run([*tool, *words], check=True, env=environment)
        bill = json.loads(raw.read_text(encoding="utf-8"))
    found = ours(bill, {package.name for package in packages()})
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"sbom: {len(found['components'])} components in {file}")


def ours(bill: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The bill of the named packages alone, without addresses."""
    wanted = {*names, PRODUCT}
    components = [part for part in bill["components"] if canonicalize_name(part["name"]) in wanted]
    about = bill["metadata"]
    root = about["component"]
    for part in [*components, root, *about["tools"]["components"]]:
        for place in ("externalReferences", "evidence"):
            part.pop(place, None)
    kept = {part["bom-ref"] for part in [*components, root]}
    dependencies = [
        {**row, "dependsOn": [one for one in row.get("dependsOn", ()) if one in kept]}
        for row in bill["dependencies"]
        if row["ref"] in kept
    ]
    return {**bill, "components": components, "dependencies": dependencies}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
