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
