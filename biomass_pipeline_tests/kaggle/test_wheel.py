"""The wheel is the package that runs, as pip installs it."""

import base64
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import biomass_pipeline
from biomass_pipeline import __version__
from biomass_pipeline.kaggle.wheel import WHEEL_NAME, write_wheel

INFO = f"biomass_pipeline-{__version__}.dist-info"


def test_it_holds_the_running_package_byte_by_byte_and_its_list_is_true(tmp_path):
    path = write_wheel(tmp_path)
    assert path.name == WHEEL_NAME
    root = Path(biomass_pipeline.__file__).parent
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    code = {f"biomass_pipeline/{p.relative_to(root).as_posix()}" for p in root.rglob("*.py")}
    assert code <= set(files)
    assert "biomass_pipeline/kaggle/scripts/submit.py.txt" in files
    assert not [name for name in files if "__pycache__" in name]
    assert files["biomass_pipeline/__init__.py"] == (root / "__init__.py").read_bytes()
    rows = [row.split(",") for row in files[f"{INFO}/RECORD"].decode().splitlines()]
    assert {name for name, _, _ in rows} == set(files)
    for name, digest, n_bytes in rows:
        if name != f"{INFO}/RECORD":
            expected = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest())
            assert digest == f"sha256={expected.decode().rstrip('=')}"
            assert int(n_bytes) == len(files[name])


def test_equal_packages_are_equal_bytes(tmp_path):
    first, second = write_wheel(tmp_path / "a"), write_wheel(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


def test_pip_installs_it_offline_and_that_copy_knows_its_version(tmp_path):
    path = write_wheel(tmp_path)
    pip = [sys.executable, "-I", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    pip += ["--no-compile", "--target", str(tmp_path / "packages"), str(path)]
    subprocess.run(pip, check=True, capture_output=True)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'packages')!r})\n"
        "import biomass_pipeline; from importlib.metadata import version\n"
        "print(biomass_pipeline.__file__, version('biomass-pipeline'))"
    )
    words = [sys.executable, "-I", "-c", program]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    assert told == [str(tmp_path / "packages" / "biomass_pipeline" / "__init__.py"), __version__]
