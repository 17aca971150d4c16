import subprocess
import sys

import pytest

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import BackboneTileError, UnknownBackboneError
from biomass_pipeline.features.registry import (
    available,
    backbone_identity,
    build_backbone,
    timm_name,
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


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("dinov2_vits14_reg", "vit_small_patch14_reg4_dinov2"),
        ("dinov2_vitb14", "vit_base_patch14_dinov2"),
        ("dinov2_vitl14_reg", "vit_large_patch14_reg4_dinov2"),
        ("dinov2_vitg14", "vit_giant_patch14_dinov2"),
        ("timm:convnext_tiny", "convnext_tiny"),
        ("vit_base_patch16_224", "vit_base_patch16_224"),
    ],
)
def test_names_lead_to_networks_of_timm(given, expected):
    assert timm_name(given) == expected


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


def test_a_misspelt_name_is_answered_with_the_one_meant():
    with pytest.raises(UnknownBackboneError, match="Did you mean dinov2_vitl14_reg"):
        timm_name("dinov2_vitl14_re")


@pytest.mark.parametrize(("tile_px", "advice"), [(520, "518 or 532"), (10, "14 or 28")])
def test_a_tile_that_patches_do_not_fill_is_refused_with_the_nearest_sizes(tile_px, advice):
    spec = BackboneConfig(name="dinov2_vits14_reg", random_weights=True)
    with pytest.raises(BackboneTileError, match=f"patches of 14 px.*Set it to {advice}"):
        build_backbone(spec, tile_px=tile_px)


def test_names_and_identities_need_no_torch():
    code = (
        "import sys\n"
        "from biomass_pipeline.config import BackboneConfig\n"
        "from biomass_pipeline.features.registry import *\n"
        "backbone_identity(BackboneConfig())\n"
        "backbone_identity(BackboneConfig(name='dinov2_vits14_reg', random_weights=True))\n"
        "backbone_identity(BackboneConfig(name='dinov2_vits14_reg'))\n"
        "build_backbone(BackboneConfig(), tile_px=16)\n"
        "sys.exit('torch' in sys.modules or 'timm' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, check=False).returncode == 0
