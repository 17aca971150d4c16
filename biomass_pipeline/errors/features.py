"""Errors about backbones and their weights."""

from collections.abc import Sequence
from pathlib import Path

from biomass_pipeline.errors.family import BiomassError

_SHOWN_ISSUES = 20


class UnknownBackboneError(BiomassError):
    """The configuration names a backbone that nobody registered."""

    exit_code = 2

    def __init__(self, name: str, *, near: Sequence[str], known: Sequence[str]) -> None:
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        super().__init__(
            f"There is no backbone `{name}`. {hint}Known: {', '.join(known)}. Set `backbone.name` "
            f"to one of these, or to `timm:NAME` for any network of timm."
        )


class BackboneTileError(BiomassError):
    """A network cannot see tiles of this size."""

    exit_code = 2

    def __init__(self, name: str, *, tile_px: int, patch_px: int) -> None:
        below = max(tile_px // patch_px, 1) * patch_px
        super().__init__(
            f"{name} cuts tiles into patches of {patch_px} px, but `tiling.tile_px` is {tile_px}, "
            f"which is not a multiple. Set it to {below} or {below + patch_px}."
        )


class MissingWeightsError(BiomassError):
    """A pretrained network's weights are neither here nor to be had."""

    exit_code = 2

    def __init__(self, name: str, *, source: str, reason: str) -> None:
        super().__init__(
            f"The weights of {name} are not on this machine and cannot be fetched from {source}: "
            f"{reason}. Download the file elsewhere and set `backbone.checkpoint` to it, or use "
            f"the weights-free backbone `colour-texture-rcf`."
        )


class WeightsMisfitError(BiomassError):
    """A checkpoint is of another network than the one named, or of none."""

    exit_code = 2

    def __init__(
        self, path: Path, *, model: str, problems: Sequence[str], fits: Sequence[str] = ()
    ) -> None:
        shown = "; ".join(problems[:_SHOWN_ISSUES])
        advice = (
            f"The file fits {' or '.join(fits)}: set `backbone.name` to that"
            if fits
            else "The file fits no model known here: check that it was downloaded whole"
        )
        super().__init__(
            f"{path} does not hold the weights of {model}: {shown}. {advice}, or set "
            f"`backbone.checkpoint` to another file."
        )


class ChangedWeightsError(BiomassError):
    """A backbone's weights are not those that decided the fingerprint."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The weights of {name} were fetched or replaced after the graph was loaded, so its "
            f"fingerprint does not cover them. Reload the code location, or run `biomass run` "
            f"again."
        )


class TokenCountError(BiomassError):
    """A network gave more or fewer tokens than its patches and prefix account for."""

    def __init__(self, name: str, *, found: int, prefix: int, patches: int) -> None:
        super().__init__(
            f"{name} gave {found} tokens a tile, but {prefix} prefix tokens and {patches} patches "
            f"were expected. Its class token cannot be told from the rest: use another backbone."
        )


class UnsupportedReadingError(BiomassError):
    """A backbone cannot give the tokens or layers that the configuration asks for."""

    exit_code = 2

    def __init__(self, name: str, *, setting: str, reason: str, works: str) -> None:
        option, _, value = setting.partition(": ")
        super().__init__(
            f"{name} cannot be read with `backbone.{option}` {value}: {reason}. Set "
            f"`backbone.{option}` to {works}."
        )


class BackbonePluginError(BiomassError):
    """An installed package offers a backbone that cannot be used."""

    exit_code = 2

    def __init__(self, name: str, *, packages: Sequence[str], problem: str) -> None:
        super().__init__(
            f"The backbone `{name}` of {' and '.join(packages)} cannot be used: {problem}. Mend or "
            f"remove what offers it, or set `backbone.name` to another backbone."
        )


class UnusableTileError(BiomassError):
    """A network fails on tiles of this size, for a reason that only it knows."""

    exit_code = 2

    def __init__(self, name: str, *, tile_px: int, reason: str) -> None:
        super().__init__(
            f"{name} cannot embed tiles of {tile_px} px (`tiling.tile_px`): {reason}. Set it to "
            f"the size the network was trained at, or use another backbone."
        )


class DeviceMemoryError(BiomassError):
    """A network and one tile do not fit in a device's memory."""

    exit_code = 2

    def __init__(self, name: str, *, device: str, precision: str) -> None:
        narrow = "" if precision == "bf16" else "Set `backbone.precision` to bf16, or use"
        super().__init__(
            f"{name} and one tile do not fit in the memory of {device} with `backbone.precision` "
            f"{precision}. {narrow or 'Use'} a smaller backbone or a larger device."
        )


class PrecisionMemoryError(BiomassError):
    """A network does not fit in memory twice, as choosing a precision by measurement needs."""

    exit_code = 2

    def __init__(self, name: str, *, device: str) -> None:
        super().__init__(
            f"{name} does not fit in the memory of {device} in float32 and bf16 at once, so no "
            f"precision can be chosen by measuring. Set `backbone.precision` to bf16, or use a "
            f"larger device."
        )


class CompileError(BiomassError):
    """A network cannot be compiled on this machine."""

    exit_code = 2

    def __init__(self, name: str, *, reason: str) -> None:
        super().__init__(
            f"{name} cannot be compiled on this machine: {reason}. Set `backbone.compile` to "
            f"false, or install a C++ compiler."
        )


class MissingRayError(BiomassError):
    """Ray is asked for and not installed."""

    exit_code = 2

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"`compute.engine` is ray, but Ray cannot be imported ({reason}). Install it with "
            f'`pip install "biomass-pipeline[ray]"`, or set `compute.engine` to local.'
        )


class UnreachableClusterError(BiomassError):
    """No Ray cluster answers at the configured address."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"No Ray cluster can be used at {address}: {reason}. Start one with `ray start "
            f"--head`, correct `compute.ray.address`, or leave it out for a cluster on this "
            f"machine."
        )


class ClusterStartError(BiomassError):
    """Ray cannot start a cluster on this machine."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Ray cannot start a cluster on this machine: {reason}. It needs room in /dev/shm and "
            f"in /tmp/ray; or set `compute.engine` to local."
        )


class SmallClusterError(BiomassError):
    """The workers asked for do not fit a Ray cluster."""

    exit_code = 2

    def __init__(self, asked: int, *, needs: str, fits: int, found: str) -> None:
        super().__init__(
            f"{asked} Ray workers with {needs} each were asked for, but the cluster has {found} "
            f"and holds {fits}. Lower `actors`, `cpus_per_actor` or `gpus_per_actor` under "
            f"`compute.ray`, or use a larger cluster."
        )


class ClusterWorkerError(BiomassError):
    """A Ray worker cannot work at all, for a reason that no photo is to blame for."""

    def __init__(self, host: str, trouble: str) -> None:
        where = f" on {host}" if host else ""
        super().__init__(
            f"A Ray worker{where} gave up: {trouble}. Every machine of the cluster needs the same "
            f"packages, the photos and the checkpoint at the same place, and memory for the "
            f"backbone; what arrived is kept."
        )


class ClusterFailedError(BiomassError):
    """Ray itself stopped working under an extraction."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The extraction on Ray stopped: {reason}. What arrived is kept: run again to go on, "
            f"or set `compute.engine` to local."
        )


class ClusterPrecisionError(BiomassError):
    """The machines of a cluster would each choose a precision of their own."""

    exit_code = 2

    def __init__(self) -> None:
        super().__init__(
            "On a cluster `backbone.precision: auto` could mean another precision on each machine. "
            "Set it to fp32, bf16 or bf16-autocast."
        )
