"""Which software made a result."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from biomass_pipeline import __version__

_PACKAGES: Final = (
    "torch",
    "torchvision",
    "pytorch-lightning",
    "timm",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "pyarrow",
    "h5py",
    "pillow",
    "opencv-python-headless",
    "dagster",
)


def package_versions() -> dict[str, str]:
    """The versions of what decides or carries a result, by package, without importing any."""
    versions = {"biomass-pipeline": __version__, "python": platform.python_version()}
    return versions | {name: _version(name) for name in _PACKAGES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
