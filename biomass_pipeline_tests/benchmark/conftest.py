"""Small plans, and records with figures that can be checked by eye."""

from types import SimpleNamespace

import pytest

from biomass_pipeline.benchmark import (
    Benchmark,
    CacheRates,
    DecodeRate,
    Effort,
    FolderLoad,
    ModelRates,
    Plan,
    PrecisionRate,
)
from biomass_pipeline.config import BackboneConfig, Config, TilingConfig

TILING = TilingConfig(tile_px=28, stride_px=20)


@pytest.fixture
def plan():
    """Photos of 60 x 100 px in 15 tiles, colours only, one short turn."""
    return Plan(
        config=Config(tiling=TILING),
        backbones=(BackboneConfig(name="colour-texture"),),
        devices=("cpu",),
        photo_px=(60, 100),
        turn_s=0.01,
        effort=Effort(rounds=1, enough_s=0.0),
    )


@pytest.fixture
def found():
    """A machine of round numbers: 1 GFLOP a tile, products at 10, 40 GFLOP/s."""
    model = ModelRates(
        model="vit",
        weights="random",
        devices=("cpu",),
        batch_size=1,
        feature_dim=8,
        tile_flops=10**9,
        precisions=(
            PrecisionRate("fp32", 8.0, gemm_flops_per_s=1e10, cosine=1.0),
            PrecisionRate("bf16", 20.0, gemm_flops_per_s=4e10, cosine=0.9999),
        ),
        precision="bf16",
        bare_tiles_per_s=20.0,
        pipeline_tiles_per_s=19.0,
        n_tiles=30,
    )
    machine = {"processor": "a CPU", "cores": 2, "memory_gib": 8.0, "gpus": []}
    return Benchmark(
        machine=machine,
        versions={"torch": "2.9"},
        commit="abc",
        decode_threads=2,
        decode=DecodeRate(1000, 2000, n_tiles=15, seconds=0.01, extra_bytes=18 * 10**6),
        models=(model, plain(model)),
        cache=CacheRates(400, 15, 8, "float16", 1.6e6, 2e9, 1e9),
        folder=FolderLoad("photos", 100, 10**8, 68_400, 100, 0),
    )


def plain(model):
    """The same as a backbone that is no network."""
    fields = {name: getattr(model, name) for name in model.__dataclass_fields__}
    rate = PrecisionRate("", 5.0)
    changes = {"model": "colours", "tile_flops": None, "precisions": (rate,), "precision": ""}
    return ModelRates(**SimpleNamespace(**(fields | changes)).__dict__)
