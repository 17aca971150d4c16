"""One backbone on this machine: matrix products, bare backbone and pipeline, compared in turn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from biomass_pipeline.benchmark.backbones import bare, pipeline
from biomass_pipeline.benchmark.pictures import write_pictures
from biomass_pipeline.benchmark.plan import Plan, photo_sizes, tiles_of
from biomass_pipeline.benchmark.records import ModelRates, PrecisionRate
from biomass_pipeline.benchmark.shapes import NetworkShape
from biomass_pipeline.benchmark.timing import fastest
from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.features import Backbone, build_lanes, fetch_weights
from biomass_pipeline.features.views import SYMMETRIES

if TYPE_CHECKING:
    from biomass_pipeline.benchmark.networks import Work

PRECISIONS = ("fp32", "bf16", "bf16-autocast")
# A precision gets a part of a pipeline's turn: there are several, and nothing but them to start.
_SHARE = 0.4
_LEAST_TILES = 2
# Matrix products run for so long at once: a single block is over before the clock is warm.
_GEMM_S = 0.3


@dataclass(frozen=True)
class Built:
    """A backbone in one precision, once a lane."""

    spec: BackboneConfig
    lanes: Sequence[Backbone]

    @property
    def precision(self) -> str:
        """The arithmetic in use; empty where there is no choice."""
        return self.lanes[0].precision


def model_rates(
    spec: BackboneConfig, plan: Plan, *, tiles: NDArray[np.uint8], folder: Path
) -> ModelRates:
    """Measure one backbone.

    Args:
        spec: Which one; its own precision is what the pipeline uses.
        plan: How long, and where.
        tiles: Ready ones, shape (tile, side, side, 3).
        folder: For photos and cache files.

    Raises:
        BiomassError: It cannot be built.
    """
    plan.on_step(f"{spec.name}: build")
    weights = fetch_weights(spec, base=plan.base)
    chosen = _build(spec, plan)
    every = [chosen, *_others(chosen, plan)]
    shape = _shape(chosen, plan)
    precisions = _precisions(every, shape, plan, tiles)
    used = next(rate for rate in precisions if rate.precision == chosen.precision)
    n_tiles, bare_s, pipeline_s = _whole(chosen, plan, tiles, used.tiles_per_s, folder)
    return ModelRates(
        model=spec.name,
        weights=weights,
        devices=plan.devices if chosen.precision else ("cpu",),
        batch_size=chosen.lanes[0].batch_size,
        feature_dim=chosen.lanes[0].feature_dim,
        tile_flops=None if shape is None else shape.tile_flops * n_views(spec),
        precisions=precisions,
        precision=chosen.precision,
        bare_tiles_per_s=n_tiles / bare_s,
        pipeline_tiles_per_s=n_tiles / pipeline_s,
        n_tiles=n_tiles,
    )


def n_views(spec: BackboneConfig) -> int:
    """How often a tile is seen."""
    return len(SYMMETRIES.get(spec.views, [spec.views]))


def _build(spec: BackboneConfig, plan: Plan) -> Built:
    compute = plan.config.compute
    lanes = build_lanes(
        spec,
        tile_px=plan.config.tiling.tile_px,
        devices=plan.devices,
        batch_size=compute.batch_size,
        base=plan.base,
    )
    return Built(spec, lanes)


def _others(chosen: Built, plan: Plan) -> list[Built]:
    """The same backbone in the other precisions, if it has any."""
    if not chosen.precision:
        return []
    others = [name for name in PRECISIONS if name != chosen.precision]
    return [_build(chosen.spec.model_copy(update={"precision": name}), plan) for name in others]


def _shape(chosen: Built, plan: Plan) -> NetworkShape | None:
    """What a tile costs; None without a transformer."""
    if not chosen.precision:
        return None
    # Only who has a network pays for torch.
    from biomass_pipeline.benchmark.networks import shape_of  # noqa: PLC0415

    return shape_of(chosen.spec, tile_px=plan.config.tiling.tile_px)


def _works(every: Sequence[Built], shape: NetworkShape | None, plan: Plan) -> dict[str, "Work"]:
    """Matrix products of the network's shape, by number type, on the first device."""
    if shape is None:
        return {}
    from biomass_pipeline.benchmark.networks import matrix_products  # noqa: PLC0415  # as above

    size, device = every[0].lanes[0].batch_size, plan.devices[0]
    names = sorted({products_of(one.precision) for one in every})
    works = {n: matrix_products(shape, precision=n, device=device, batch_size=size) for n in names}
    return {name: work.lasting(_GEMM_S) for name, work in works.items()}


def _precisions(
    every: Sequence[Built], shape: NetworkShape | None, plan: Plan, tiles: NDArray[np.uint8]
) -> tuple[PrecisionRate, ...]:
    """Each precision beside matrix products of the same shape, all in turn."""
    plan.on_step(f"{every[0].spec.name}: bare backbone, {len(every)} precisions")
    counts = {one.precision: _count(one, plan, tiles) for one in every}
    works = _works(every, shape, plan)
    calls: dict[str, Callable[[], object]] = {}
    for one in every:
        calls[one.precision] = bare(one.lanes, tiles, n_tiles=counts[one.precision])
    calls |= {f"gemm {name}": work.call for name, work in works.items()}
    took = fastest(calls, effort=plan.effort)
    gemm = {
        name: len(plan.devices) * work.flops / took[f"gemm {name}"] for name, work in works.items()
    }
    exact = next((one for one in every if one.precision == PRECISIONS[0]), None)
    rates = (
        PrecisionRate(
            precision=one.precision,
            tiles_per_s=counts[one.precision] / took[one.precision],
            gemm_flops_per_s=gemm.get(products_of(one.precision)),
            cosine=None if exact is None else least_cosine(exact, one, tiles[:_LEAST_TILES]),
        )
        for one in every
    )
    return tuple(sorted(rates, key=_exact_first))


def products_of(precision: str) -> str:
    """In which number type a precision multiplies matrices: autocast does it in bf16."""
    return precision.removesuffix("-autocast")


def _exact_first(rate: PrecisionRate) -> int:
    return PRECISIONS.index(rate.precision) if rate.precision else 0


def _count(one: Built, plan: Plan, tiles: NDArray[np.uint8]) -> int:
    """Tiles of a turn of the bare backbone, in whole batches of all lanes."""
    least = one.lanes[0].batch_size * len(one.lanes)
    call = bare(one.lanes, tiles, n_tiles=least)
    call()
    took_s = fastest({"": call}, effort=plan.effort.once())[""]
    return least * max(round(_SHARE * plan.turn_s / took_s), 1)


def _whole(
    chosen: Built, plan: Plan, tiles: NDArray[np.uint8], tiles_per_s: float, folder: Path
) -> tuple[int, float, float]:
    """Tiles of a turn, and the seconds of the bare backbone and of the pipeline for them."""
    plan.on_step(f"{chosen.spec.name}: pipeline beside the bare backbone")
    tiling = plan.config.tiling
    wanted = max(int(tiles_per_s * plan.turn_s), 2 * _LEAST_TILES)
    sizes = photo_sizes(wanted, photo_px=plan.photo_px, tiling=tiling)
    n_tiles = tiles_of(sizes, tiling)
    pictures = write_pictures(folder / "photos", sizes)
    calls = {
        "bare": bare(chosen.lanes, tiles, n_tiles=n_tiles),
        "pipeline": pipeline(
            chosen.spec, chosen.lanes, plan=plan, pictures=pictures, root=folder / "caches"
        ),
    }
    took = fastest(calls, effort=plan.effort)
    return n_tiles, took["bare"], took["pipeline"]


def least_cosine(exact: Built, other: Built, tiles: NDArray[np.uint8]) -> float:
    """The least cosine between the rows of two precisions of a backbone."""
    if other is exact:
        return 1.0
    one, two = (built.lanes[0].embed(tiles).astype(np.float64) for built in (exact, other))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    return float(((one * two).sum(axis=1) / lengths).min())
