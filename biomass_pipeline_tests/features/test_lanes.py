"""How many backbones are built for which devices; the devices themselves are made up."""

import numpy as np
import pytest

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import MissingInputError, UnsupportedReadingError
from biomass_pipeline.features import timm_backbone
from biomass_pipeline.features.lanes import build_backbone, build_lanes, measure_precision

VIT = {"name": "dinov2_vits14_reg", "random_weights": True}


class Built:
    """A backbone that remembers what it was built from."""

    def __init__(self, plan, *, device, batch_size):
        self.plan, self.device, self.asked = plan, device, batch_size
        self.identity = plan.identity
        self.precision, self.batch_size = "bf16", 32


@pytest.fixture
def devices(monkeypatch):
    monkeypatch.setattr(timm_backbone, "build_timm", Built)


def lanes(devices, **fields):
    spec = BackboneConfig(**VIT | fields)
    return build_lanes(spec, tile_px=56, devices=devices, batch_size="auto")


@pytest.mark.usefixtures("devices")
def test_a_gpu_is_shared_by_two_callers_and_a_cpu_is_not():
    assert [lane.device for lane in lanes(["cpu"])] == ["cpu"]
    assert [lane.device for lane in lanes(["mps"])] == ["mps"]
    found = lanes(["cuda:0", "cuda:1"])
    assert [lane.device for lane in found] == ["cuda:0", "cuda:0", "cuda:1", "cuda:1"]
    assert found[0] is found[1]
    assert found[2] is found[3]


@pytest.mark.usefixtures("devices")
def test_what_the_first_device_measured_holds_for_all_and_leaves_the_identity_alone():
    first, _, second, _ = lanes(["cuda:0", "cuda:1"])
    assert (first.plan.spec.precision, first.asked) == ("auto", "auto")
    assert (second.plan.spec.precision, second.asked) == ("bf16", 32)
    assert first.identity == second.identity
    assert second.identity["precision"] == "auto"


def test_without_weights_all_cores_are_one_lane_whatever_the_devices():
    spec = BackboneConfig()
    found = build_lanes(spec, tile_px=16, devices=["cuda:0", "cuda:1"], batch_size="auto")
    assert len(found) == 1
    assert found[0].batch_size >= 4
    assert found[0].precision == ""
    assert measure_precision(spec, tile_px=16) == {}


def test_a_real_network_runs_on_a_cpu_tile_by_tile():
    spec = BackboneConfig(**VIT, precision="fp32")
    (lane,) = build_lanes(spec, tile_px=28, devices=["cpu"], batch_size=64)
    assert lane.batch_size == 1
    assert lane.embed(np.zeros((3, 28, 28, 3), np.uint8)).shape == (3, 384)


def test_what_cannot_be_read_is_refused_before_weights_are_looked_for():
    spec = BackboneConfig(name="dinov2_vits14", checkpoint="nowhere.pth", tokens="grid:5")
    with pytest.raises(UnsupportedReadingError, match="grid:4 or less"):
        build_backbone(spec, tile_px=56)
    with pytest.raises(MissingInputError):
        build_backbone(spec, tile_px=70)
