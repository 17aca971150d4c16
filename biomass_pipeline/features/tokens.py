"""What stands for a tile: how many rows it has and where each lies. Imports no torch."""

from typing import NoReturn

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import BackboneTileError, UnsupportedReadingError
from biomass_pipeline.features.naming import Network, is_of_timm, network_of, patch_px, timm_name

GRID, PATCHES = "grid:", "patches"
LAST = "last"
# How many symmetries of the square each choice of views takes.
N_VIEWS = {"identity": 1, "flips": 4, "dihedral": 8}


def cells_of(spec: BackboneConfig, *, tile_px: int) -> tuple[int, ...]:
    """The boundaries, along a tile's side, of the cells that get rows of their own.

    Cells are disjoint runs of whole patches that cover the tile; where the patches cannot be
    shared out evenly, some are a patch longer.

    >>> cells_of(BackboneConfig(name="dinov2_vits14", tokens="grid:4"), tile_px=518)
    (0, 126, 252, 378, 518)

    Args:
        spec: Which backbone, read how.
        tile_px: Side of a tile.

    Returns:
        Pixels, from 0 to `tile_px`; just these two where one row stands for the whole tile.

    Raises:
        UnsupportedReadingError: The backbone has no patches, or fewer than the grid has cells.
        BackboneTileError: Patches do not fill a tile of this size.
    """
    patch = patch_px(timm_name(spec.name)) if is_of_timm(spec.name) else None
    # Also where a tile has one row: said here, it is said before anything is made.
    if patch and tile_px % patch:
        raise BackboneTileError(spec.name, tile_px=tile_px, patch_px=patch)
    if not has_cells(spec):
        return (0, tile_px)
    if patch is None:
        refuse_tokens(spec.name, spec, "it has no patch tokens")
    patches = tile_px // patch
    cells = cells_per_side(spec, patches)
    if cells > patches:
        raise UnsupportedReadingError(
            spec.name,
            setting=f"tokens: {spec.tokens}",
            reason=f"a tile of {tile_px} px has {patches} patches of {patch} px along its side",
            works=f"grid:{patches} or less, or patches",
        )
    return tuple(cell * patches // cells * patch for cell in range(cells + 1))


def views_of(spec: BackboneConfig) -> int:
    """How many rows a cell has: one a view where they are kept apart, else one."""
    return N_VIEWS[spec.views] if spec.view_rows == "separate" else 1


def has_cells(spec: BackboneConfig) -> bool:
    """Whether parts of a tile get rows of their own."""
    return spec.tokens == PATCHES or spec.tokens.startswith(GRID)


def cells_per_side(spec: BackboneConfig, patches: int) -> int:
    """How many cells lie along a tile's side.

    Args:
        spec: Which backbone, read how.
        patches: How many patches lie along it.
    """
    if spec.tokens == PATCHES:
        return patches
    return int(spec.tokens.removeprefix(GRID)) if spec.tokens.startswith(GRID) else 1


def blocks_of(spec: BackboneConfig, *, depth: int) -> list[int]:
    """The blocks that are read, by position from 0, in their order.

    >>> blocks_of(BackboneConfig(layers="last:4"), depth=12)
    [8, 9, 10, 11]

    Args:
        spec: Which backbone, read how.
        depth: How many blocks it has.

    Raises:
        UnsupportedReadingError: It has fewer.
    """
    last, _, count = spec.layers.partition(":")
    if last == LAST:
        blocks = list(range(depth - int(count or 1), depth))
    else:
        blocks = sorted({int(block) for block in spec.layers.split(",")})
    if blocks[0] < 0 or blocks[-1] >= depth:
        raise UnsupportedReadingError(
            spec.name,
            setting=f"layers: {spec.layers}",
            reason=f"it has {depth} blocks, numbered from 0",
            works=f"last, last:{depth} or fewer, or blocks up to {depth - 1}",
        )
    return blocks


def layers_identity(spec: BackboneConfig, network: Network | None) -> str:
    """The layers in the one spelling that all equal choices share.

    >>> layers_identity(BackboneConfig(layers="11,5,5"), None)
    '5,11'

    Args:
        spec: Which backbone, read how.
        network: The registered one; without, `last` cannot be told from a number.

    Raises:
        UnsupportedReadingError: It has fewer blocks.
    """
    if network:
        blocks = blocks_of(spec, depth=network.depth)
        if blocks == list(range(network.depth - len(blocks), network.depth)):
            return LAST if len(blocks) == 1 else f"{LAST}:{len(blocks)}"
    elif spec.layers.startswith(LAST):
        count = int(spec.layers.partition(":")[2] or 1)
        return LAST if count == 1 else f"{LAST}:{count}"
    else:
        blocks = sorted({int(block) for block in spec.layers.split(",")})
    return ",".join(map(str, blocks))


def check_reading(spec: BackboneConfig) -> None:
    """Refuse what a name already tells cannot be read.

    Raises:
        UnsupportedReadingError: A backbone without tokens is asked for some, or a network for
            blocks that it does not have.
    """
    if not is_of_timm(spec.name):
        check_plain(spec, reason="it describes a tile as a whole")
        return
    network = network_of(timm_name(spec.name))
    if network:
        blocks_of(spec, depth=network.depth)


def check_plain(spec: BackboneConfig, *, reason: str) -> None:
    """Refuse everything but one row of the last layer.

    Raises:
        UnsupportedReadingError: Other tokens or layers are asked for.
    """
    if spec.tokens != "cls":
        refuse_tokens(spec.name, spec, reason)
    if spec.layers != LAST:
        raise UnsupportedReadingError(
            spec.name, setting=f"layers: {spec.layers}", reason=reason, works=LAST
        )


def refuse_tokens(name: str, spec: BackboneConfig, reason: str, *, works: str = "cls") -> NoReturn:
    """Say that a backbone cannot be read as configured.

    Raises:
        UnsupportedReadingError: Always.
    """
    raise UnsupportedReadingError(
        name, setting=f"tokens: {spec.tokens}", reason=reason, works=works
    )
