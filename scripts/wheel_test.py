"""Builds the wheel and uses it where there is no source tree: what a user gets is what is tested.

Usage: python scripts/wheel_test.py. Everything happens in a temporary folder. The libraries are
those of this environment; the package and its metadata are the wheel's.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path

from promises import promise

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "biomass_pipeline"
N_PHOTOS = 12
SURVEY = """
from pathlib import Path
from biomass_pipeline.testing import write_tiny_survey
write_tiny_survey(Path.cwd()).write(backbone={"name": "colour-texture"})
"""


def main() -> None:
    """Build, look inside, install, run."""
    with tempfile.TemporaryDirectory(prefix="biomass-wheel-") as name:
        folder = Path(name)
        wheel = build(folder)
        look_inside(wheel)
        python = install(wheel, folder / "venv")
        run(python, folder / "survey")


def build(folder: Path) -> Path:
    """The wheel, as the package's build backend makes it."""
    call("build", "--wheel", "--quiet", "--out-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("*.whl")
    return wheel


def look_inside(wheel: Path) -> None:
    """Every file of the package is there, and nothing else but metadata."""
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    data = sorted(name for name in ours if not name.endswith(".py"))
    differing = ", ".join(sorted(ours ^ inside)[:5])
    promise(
        ours == inside,
        f"{wheel.name} holds the package's {len(ours)} files, {len(data)} of them data: "
        f"{differing or 'the same'}",
    )


def install(wheel: Path, place: Path) -> Path:
    """The interpreter of an environment that has the wheel; its libraries are borrowed."""
    venv.create(place, with_pip=False, symlinks=True)
    python = place / "bin" / "python"
    call("pip", "install", "--quiet", "--no-deps", "--python", str(python), str(wheel))
    (packages,) = place.glob("lib/python*/site-packages")
    # A line of a .pth names a folder; the .pth files in that folder, of which one leads to the
    # source tree, are not read again.
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


def run(python: Path, folder: Path) -> None:
    """Import it, then run the whole graph by its console script, from a folder of its own."""
    folder.mkdir()
    program = "import biomass_pipeline as b, importlib.metadata as m; print(b.__file__)\n"
    program += "print(b.__version__, m.version('biomass-pipeline'))"
    place, versions = said(folder, python, "-c", program).splitlines()
    promise(place.startswith(str(python.parents[1])), "it is imported from its own environment")
    promise(len(set(versions.split())) == 1, f"package and metadata agree: {versions}")
    said(folder, python, "-c", SURVEY)
    script = python.with_name("biomass")
    done = json.loads(said(folder, script, "run", "--json"))
    promise(done["photos_embedded"] == N_PHOTOS, f"the graph runs: {N_PHOTOS} photos embedded")
    reports = list(folder.glob("artefacts/report/report.html"))
    promise(bool(reports) and reports[0].stat().st_size > 0, "the report is made of its templates")
    again = json.loads(said(folder, script, "run", "--json"))
    promise(again["materialized"] == [], "a second run does nothing")


def said(folder: Path, *words: object) -> str:
    """What a command prints, where no variable leads to the source tree."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "BIOMASS_CONFIG"}
    }
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env={**environment, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def call(*words: str) -> None:
    """Start uv."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, *words], check=True, env={**os.environ, "UV_SYSTEM_CERTS": "1"})


if __name__ == "__main__":
    main()
