import subprocess
import sys

import pytest

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import UnknownBackboneError
from biomass_pipeline.features.lanes import build_backbone
from biomass_pipeline.features.registry import (
    available,
    backbone_identity,
    fetch_weights,
    list_backbones,
)


def test_every_registered_name_has_an_identity_of_its_own():
    specs = [BackboneConfig(name=name, random_weights=True) for name in available()]
    names = [backbone_identity(spec)["name"] for spec in specs]
    assert len(set(names)) == len(names)
    assert names[0] == "colour-texture-rcf"


def test_the_default_is_weights_free_and_says_so():
    backbone = build_backbone(BackboneConfig(), tile_px=16)
    assert backbone.name == "colour-texture-rcf"
    assert backbone.weights_sha256 == ""
    assert "dinov2" not in str(backbone.identity).lower()


def test_an_alias_has_the_identity_of_what_it_stands_for():
    alias = BackboneConfig(name="dinov2_vits14_reg", random_weights=True)
    named = BackboneConfig(name="timm:vit_small_patch14_reg4_dinov2", random_weights=True)
    bare = BackboneConfig(name="vit_small_patch14_reg4_dinov2", random_weights=True)
    assert backbone_identity(alias) == backbone_identity(named) == backbone_identity(bare)


@pytest.mark.parametrize("name", ["colour-textur", "timm:", "", "dino"])
def test_an_unknown_name_is_refused_with_the_nearest_and_all_known(name):
    with pytest.raises(UnknownBackboneError, match="Known: colour-texture-rcf") as refusal:
        build_backbone(BackboneConfig(name=name), tile_px=16)
    assert "timm:NAME" in str(refusal.value)
    with pytest.raises(UnknownBackboneError):
        backbone_identity(BackboneConfig(name=name))


def test_everything_with_a_name_of_its_own_is_listed(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    listed = {listing.name: listing for listing in list_backbones()}
    assert list(listed) == available()
    assert listed["rcf"].width == build_backbone(BackboneConfig(name="rcf"), tile_px=16).feature_dim
    assert listed["dinov2_vits14"].weights.startswith("to be fetched: https://huggingface.co/timm/")
    snapshot = tmp_path / "models--timm--vit_small_patch14_dinov2.lvd142m" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(b"weights")
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    listed = {listing.name: listing for listing in list_backbones()}
    assert listed["dinov2_vits14"].weights.startswith("on this machine: https://huggingface.co/")


def test_where_weights_are_is_told_with_a_licence_that_restricts(tmp_path):
    (tmp_path / "mine.pth").write_bytes(b"weights")
    told = {
        name: fetch_weights(BackboneConfig(name=name, checkpoint="mine.pth"), base=tmp_path)
        for name in ("dinov2_vits14", "dinov3_vits16", "timm:vit_small_patch16_dinov3")
    }
    assert told["dinov2_vits14"] == str(tmp_path / "mine.pth")
    for name in ("dinov3_vits16", "timm:vit_small_patch16_dinov3"):
        assert "mine.pth; licence of the weights: DINOv3 License" in told[name]
    assert fetch_weights(BackboneConfig()) == "colour-texture-rcf needs none"
    random = BackboneConfig(name="dinov2_vits14", random_weights=True)
    assert "untrained network" in fetch_weights(random)


def test_names_and_identities_need_no_torch():
    code = (
        "import sys\n"
        "from biomass_pipeline.config import BackboneConfig\n"
        "from biomass_pipeline.features import *\n"
        "backbone_identity(BackboneConfig())\n"
        "backbone_identity(BackboneConfig(name='dinov2_vits14_reg', random_weights=True))\n"
        "backbone_identity(BackboneConfig(name='dinov2_vits14_reg'))\n"
        "build_backbone(BackboneConfig(), tile_px=16)\n"
        "cells_of(BackboneConfig(name='dinov3_vitl16', tokens='grid:4'), tile_px=512)\n"
        "list(list_backbones())\n"
        "sys.exit('torch' in sys.modules or 'timm' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, check=False).returncode == 0
