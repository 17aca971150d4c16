"""A whole benchmark, step by step."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from biomass_pipeline.benchmark.caches import cache_rates
from biomass_pipeline.benchmark.decoding import cut_picture, decode_rate
from biomass_pipeline.benchmark.machine import describe_machine, package_versions, source_commit
from biomass_pipeline.benchmark.models import model_rates
from biomass_pipeline.benchmark.plan import Plan
from biomass_pipeline.benchmark.records import Benchmark, FolderLoad, ModelRates
from biomass_pipeline.imaging import keep_freed_memory


def measure(plan: Plan, *, folder: FolderLoad | None = None) -> Benchmark:
    """Measure everything that a plan asks for, in a folder of its own that is deleted again.

    Args:
        plan: What, where and how long.
        folder: Photos whose hours are wanted.

    Raises:
        BiomassError: A backbone cannot be built.
    """
    # As the engine does, or the bare backbone would be measured in another process than its own.
    keep_freed_memory()
    height_px, width_px = plan.photo_px
    with TemporaryDirectory(prefix="biomass_benchmark_") as name:
        place = Path(name)
        plan.on_step(f"decode: a photo of {height_px} x {width_px} px")
        decode = decode_rate(plan, place / "decode")
        tiles = cut_picture(plan, place / "tiles")
        models = tuple(
            model_rates(spec, plan, tiles=tiles, folder=place / f"model_{number}")
            for number, spec in enumerate(plan.backbones)
        )
        plan.on_step("cache: write and read")
        cache = cache_rates(plan, feature_dim=_widest(models), folder=place / "cache")
    return Benchmark(
        machine=describe_machine(plan.devices),
        versions=package_versions(),
        commit=source_commit(),
        decode_threads=plan.config.compute.decode_threads,
        decode=decode,
        models=models,
        cache=cache,
        folder=folder,
    )


def _widest(models: Sequence[ModelRates]) -> int:
    return max((model.feature_dim for model in models), default=1024)
