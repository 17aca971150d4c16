"""Lists direct dependencies without a release in the last eighteen months.

Usage: python scripts/freshness.py. uv resolves what pyproject.toml asks for twice: as it is today,
and as it was then. What comes out the same has had no release in between. Without network nothing
can be said, and nothing fails.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

MONTHS = 18
ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", re.MULTILINE)
# Looked at, and kept: what a release could bring is not waited for.
KEPT = {"jinja2": "kept: finished, mended when there is an advisory, and Dagster's as well"}


def direct() -> list[str]:
    """Names of what the project and its extras ask for, without versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {canonicalize_name(Requirement(line).name) for group in groups for line in group}
    return sorted(names - {canonicalize_name(project["name"])})


def newest(names: list[str], *words: str) -> dict[str, str]:
    """The newest version of each by name, as uv sees it."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    done = subprocess.run(
        [uv, "pip", "compile", "--no-deps", "--no-header", "--no-annotate", "--quiet", *words, "-"],
        input="\n".join(names),
        env={**os.environ, "UV_SYSTEM_CERTS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ConnectionError(done.stderr.strip())
    return dict(PIN.findall(done.stdout))


def main() -> int:
    """Compare now and then."""
    since = datetime.now(UTC) - timedelta(days=MONTHS * 365 // 12)
    names = direct()
    try:
        now = newest(names)
    except ConnectionError as error:
        print(f"freshness: skipped: no answer from the package index ({str(error)[-200:]})")
        return 0
    stale = []
    for name in names:
        try:
            then = newest([name], "--exclude-newer", since.strftime("%Y-%m-%dT00:00:00Z"))
        except ConnectionError:
            continue  # there was none: its first release is younger
        if then.get(name) == now.get(name):
            stale.append(name)
    for name in stale:
        print(f"freshness: {name} {now[name]}: none since; {KEPT.get(name, 'to be judged')}")
    print(
        f"freshness: {len(names)} direct dependencies, "
        f"{len(stale)} without a release since {since:%Y-%m}"
    )
    return 1 if set(stale) - set(KEPT) else 0


if __name__ == "__main__":
    sys.exit(main())
