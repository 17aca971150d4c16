import pytest
import timm
import torch
from timm.models import get_pretrained_cfg

from biomass_pipeline.errors import UnknownBackboneError
from biomass_pipeline.features.naming import (
    APACHE,
    DINOV3_LICENCE,
    MIT,
    NETWORKS,
    licence_notice,
    licence_of,
    network_of,
    patch_px,
    timm_name,
)


def test_the_families_are_there_in_every_published_size():
    for letter in "sblg":
        assert f"dinov2_vit{letter}14" in NETWORKS
        assert f"dinov2_vit{letter}14_reg" in NETWORKS
    for size in ("s16", "s16plus", "b16", "l16", "h16plus", "7b16", "l16_sat493m", "7b16_sat493m"):
        assert f"dinov3_vit{size}" in NETWORKS


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_said_of_a_network_is_what_timm_has(name):
    network = NETWORKS[name]
    with torch.device("meta"):
        built = timm.create_model(network.model, pretrained=False, num_classes=0)
    place = get_pretrained_cfg(network.model)
    assert (built.num_features, len(built.blocks)) == (network.width, network.depth)
    assert max(built.patch_embed.patch_size) == network.patch_px == patch_px(network.model)
    assert place.hf_hub_id == network.hub_repo
    licences = {"apache-2.0": APACHE, "mit": MIT, "dinov3-license": DINOV3_LICENCE}
    assert licences[place.license] == network.licence == licence_of(timm_name(name))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("dinov2_vits14_reg", "vit_small_patch14_reg4_dinov2"),
        ("dinov2_vitb14", "vit_base_patch14_dinov2"),
        ("dinov2_vitl14_reg", "vit_large_patch14_reg4_dinov2"),
        ("dinov2_vitg14", "vit_giant_patch14_dinov2"),
        ("dinov3_vitl16_sat493m", "vit_large_patch16_dinov3_qkvb.sat493m"),
        ("dinov3_vit7b16", "vit_7b_patch16_dinov3.lvd1689m"),
        ("timm:convnext_tiny", "convnext_tiny"),
        ("timm:vit_small_patch14_dinov2.lvd142m", "vit_small_patch14_dinov2"),
        ("vit_base_patch16_224", "vit_base_patch16_224"),
    ],
)
def test_names_lead_to_networks_of_timm(given, expected):
    assert timm_name(given) == expected


def test_a_misspelt_name_is_answered_with_the_one_meant():
    with pytest.raises(UnknownBackboneError, match="Did you mean dinov2_vitl14_reg"):
        timm_name("dinov2_vitl14_re")


def test_a_restrictive_licence_is_known_by_any_name_of_the_network():
    for name in ("dinov3_vits16", "timm:vit_small_patch16_dinov3", "timm:convnext_tiny.dinov3_x"):
        notice = licence_notice(licence_of(timm_name(name)))
        assert "DINOv3 License" in notice
        assert "read https://ai.meta.com/" in notice
    assert licence_notice(licence_of(timm_name("dinov2_vits14"))) == ""
    assert licence_of("resnet18") == ""
    assert network_of("resnet18") is None
