"""A whole benchmark on a small scale, and what it never imports."""

import subprocess
import sys

import numpy as np
import pytest

from biomass_pipeline.benchmark import FolderLoad, Plan, as_json, measure, named_backbone
from biomass_pipeline.benchmark.models import Built, least_cosine, n_views
from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import UnknownBackboneError


def test_colours_are_measured_without_a_network(plan):
    steps = []
    plan = Plan(**{**vars(plan), "on_step": steps.append})
    load = FolderLoad("photos", 1, 1, 7, 1, 0)
    found = measure(plan, folder=load)
    (model,) = found.models
    assert model.tile_flops is None
    assert [rate.precision for rate in model.precisions] == [""]
    assert model.n_tiles >= 2
    assert found.cache.feature_dim == model.feature_dim
    assert found.folder == load
    assert any("colour-texture" in step for step in steps)
    assert model.pipeline_tiles_per_s > 0


def test_a_network_is_measured_in_every_precision(plan):
    spec = named_backbone("timm:vit_tiny_patch16_224").model_copy(update={"precision": "fp32"})
    config = plan.config
    tiling = config.tiling.model_copy(update={"tile_px": 32, "stride_px": 32})
    config = config.model_copy(update={"tiling": tiling})
    found = measure(Plan(**{**vars(plan), "backbones": (spec,), "config": config}))
    (model,) = found.models
    assert [rate.precision for rate in model.precisions] == ["fp32", "bf16", "bf16-autocast"]
    assert model.precision == "fp32"
    assert model.tile_flops > 0
    assert model.used.cosine == 1.0
    assert all(0.99 < rate.cosine <= 1.0 for rate in model.precisions)
    assert set(as_json(found)["ratios"]["timm:vit_tiny_patch16_224"]) == {
        "fp32_over_gemm",
        "bf16_over_gemm",
        "bf16-autocast_over_gemm",
        "pipeline_over_bare",
    }


def test_an_unknown_backbone_is_named(plan):
    with pytest.raises(UnknownBackboneError, match="banana"):
        measure(Plan(**{**vars(plan), "backbones": (named_backbone("banana"),)}))


def test_the_least_cosine_is_of_the_worst_row():
    class Rows:
        def __init__(self, rows):
            self.rows = np.array(rows, np.float32)

        def embed(self, tiles):
            return self.rows

    spec, tiles = BackboneConfig(), np.zeros((2, 4, 4, 3), np.uint8)
    one = Built(spec, [Rows([[1, 0], [0, 1]])])
    two = Built(spec, [Rows([[2, 0], [1, 1]])])
    assert least_cosine(one, two, tiles) == pytest.approx(2**-0.5)
    assert least_cosine(one, one, tiles) == 1.0


@pytest.mark.parametrize(("views", "times"), [("identity", 1), ("flips", 4), ("dihedral", 8)])
def test_a_view_is_a_pass(views, times):
    assert n_views(BackboneConfig(views=views)) == times


def test_a_gpu_box_needs_no_dagster_and_the_import_no_torch():
    rooms = ("benchmark", "features", "store", "imaging")
    lines = [f"import biomass_pipeline.{room}" for room in rooms]
    code = "\n".join(
        [*lines, "import sys", "print({'dagster', 'torch', 'matplotlib'} & set(sys.modules))"]
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
