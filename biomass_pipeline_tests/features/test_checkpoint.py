import pytest
import timm
import torch

from biomass_pipeline.features.checkpoint import Build, misfits, networks_that_fit, vit_build
from biomass_pipeline.features.naming import NETWORKS

# Satellite weights have the build of the web's.
DINO = sorted(
    {network.model.partition(".")[0] for name, network in NETWORKS.items() if "dino" in name}
)


def skeleton(name, **options):
    with torch.device("meta"):
        return timm.create_model(name, pretrained=False, num_classes=0, **options)


def test_the_names_of_all_builds_are_known():
    assert len(DINO) == 14


@pytest.mark.parametrize("name", DINO)
def test_every_dinov2_and_dinov3_is_recognised_by_its_tensors(name):
    assert networks_that_fit(skeleton(name).state_dict()) == [name]


def test_a_build_is_read_off_the_tensors():
    state = skeleton("vit_base_patch14_reg4_dinov2").state_dict()
    assert vit_build(state) == Build(
        width=768,
        depth=12,
        registers=4,
        patch_px=14,
        positions="learned",
        biases="yes",
        gated="no",
    )
    assert vit_build(skeleton("resnet10t").state_dict()) is None


def test_networks_unlike_dino_fit_nothing_known():
    assert networks_that_fit(skeleton("resnet10t").state_dict()) == []
    assert networks_that_fit(skeleton("vit_tiny_patch16_224").state_dict()) == []


def test_a_network_fits_itself_with_and_without_its_classifier():
    network = skeleton("resnet10t")
    state = dict(network.state_dict())
    assert misfits(state, network) == []
    assert misfits(state | {"fc.weight": torch.zeros(10, 512)}, network) == []


def test_missing_unknown_and_misshapen_tensors_are_named():
    network = skeleton("resnet10t")
    state = dict(network.state_dict())
    key = next(key for key in state if key.endswith("conv1.weight"))
    state["stranger"] = state.pop(key)
    other = next(key for key in state if key.endswith("conv2.weight"))
    state[other] = torch.zeros(1)
    problems = " ".join(misfits(state, network))
    assert f"1 tensors are missing, such as {key}" in problems
    assert "1 tensors are unknown, such as stranger" in problems
    assert f"{other} has shape (1,)" in problems


def test_a_checkpoint_that_timm_cannot_convert_is_a_misfit():
    network = skeleton("vit_tiny_patch16_224")
    state = dict(network.state_dict())
    state["pos_embed"] = torch.zeros(8)
    assert "timm cannot convert it" in misfits(state, network)[0]


@pytest.mark.parametrize(
    "name",
    ["levit_128s", "caformer_s18", "swin_tiny_patch4_window7_224", "vit_small_patch16_dinov3"],
)
def test_families_of_timm_accept_their_own_tensors(name):
    with torch.device("meta"):
        whole = timm.create_model(name, pretrained=False)
    assert misfits(whole.state_dict(), skeleton(name)) == []
