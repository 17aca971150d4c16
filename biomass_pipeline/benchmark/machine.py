"""Which machine a figure was taken on, with which software."""

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from biomass_pipeline import __version__
from biomass_pipeline.features.backbone import usable_cores

_PACKAGES: Final = (
    "torch",
    "timm",
    "numpy",
    "h5py",
    "pillow",
    "opencv-python-headless",
    "simplejpeg",
)
# Instruction sets that decide how fast matrix products are.
_WIDE: Final = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16", "bf16")
_CPU_INFO: Final = Path("/proc/cpuinfo")


def describe_machine(devices: Sequence[str]) -> dict[str, Any]:
    """The processor, its memory, and the GPUs among the devices.

    Args:
        devices: As PyTorch names them; only `cuda` ones import torch.
    """
    facts = _cpu_facts()
    return {
        "processor": facts.get("model name") or platform.processor() or platform.machine(),
        "cores": usable_cores(),
        "memory_gib": round(_memory_bytes() / 2**30, 1),
        "instructions": [
            name for name in _WIDE if name in facts.get("flags", facts.get("Features", "")).split()
        ],
        "system": f"{platform.system()} {platform.machine()}",
        "gpus": [_gpu(device) for device in devices if device.startswith("cuda")],
    }


def package_versions() -> dict[str, str]:
    """The versions of what decides the speed, without importing any of it."""
    versions = {"biomass-pipeline": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def source_commit() -> str:
    """The commit of the checkout that runs, with a + when it was edited since; empty outside one.

    A shallow environment without git, or an installed package, has none.
    """
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return ""
    try:
        commit = _git(folder, "rev-parse", "--short", "HEAD")
        edited = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return ""
    return f"{commit}{'+' if edited else ''}"


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)  # noqa: S603  # fixed words
    return done.stdout.strip()


def _cpu_facts() -> dict[str, str]:
    """What Linux says of the first core."""
    if not _CPU_INFO.exists():
        return {}
    first = _CPU_INFO.read_text(encoding="utf-8").partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0


def _gpu(device: str) -> dict[str, Any]:
    # Only a machine with a GPU pays for torch here.
    import torch  # noqa: PLC0415

    facts = torch.cuda.get_device_properties(device)
    return {
        "name": facts.name,
        "memory_gib": round(facts.total_memory / 2**30, 1),
        "multiprocessors": facts.multi_processor_count,
        "cuda": torch.version.cuda,
    }
