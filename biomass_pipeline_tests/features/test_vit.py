"""Networks of timm with the real architecture of DINOv2 ViT-S/14, untrained, on small tiles."""

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import TokenCountError, UnknownBackboneError, WeightsMisfitError
from biomass_pipeline.features import vit
from biomass_pipeline.features.backbone import Backbone
from biomass_pipeline.features.registry import backbone_identity, build_backbone
from biomass_pipeline.features.vit import TimmBackbone

SMALL = "vit_small_patch14_reg4_dinov2"
TILE_PX = 56
GRID = 37  # patches along a side of the 518 px at which DINOv2 was published


def noise(count, *, seed=0, side=TILE_PX):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def source():
    """An untrained ViT-S/14 with registers at 518 px; its layer scales are opened."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        network = timm.create_model(SMALL, num_classes=0).eval()
        for name, parameter in network.named_parameters():
            if name.endswith("gamma"):
                nn.init.constant_(parameter, 0.5)
            elif "token" in name or name == "pos_embed":
                nn.init.normal_(parameter, std=0.5)
    return network.requires_grad_(requires_grad=False)


@pytest.fixture(scope="module")
def files(source, tmp_path_factory):
    """The same weights in each format that people have."""
    folder, state = tmp_path_factory.mktemp("weights"), source.state_dict()
    torch.save(state, folder / "timm.pth")
    save_file(state, folder / "timm.safetensors")
    torch.save(as_facebook(state), folder / "facebook.pth")
    return folder


def as_facebook(state):
    """Undo timm's renaming: one position for the class token, registers, and a mask token."""
    theirs = dict(state)
    positions, registers = theirs.pop("pos_embed"), theirs.pop("reg_token")
    of_class = torch.full((1, 1, positions.shape[-1]), 0.25)
    theirs["cls_token"] = theirs["cls_token"] - of_class
    theirs["pos_embed"] = torch.cat([of_class, positions], dim=1)
    theirs["register_tokens"] = registers
    theirs["mask_token"] = torch.zeros(1, positions.shape[-1])
    return theirs


def build(*, checkpoint=None, name=SMALL, tile_px=TILE_PX, base=None):
    spec = BackboneConfig(name=name, checkpoint=checkpoint, random_weights=checkpoint is None)
    return build_backbone(spec, tile_px=tile_px, **({"base": base} if base else {}))


def class_token(source, tiles):
    """What the source network says of normalised tiles, through its own forward."""
    model = timm.create_model(SMALL, num_classes=0, img_size=tiles.shape[1]).eval()
    state = timm.models.vision_transformer.checkpoint_filter_fn(source.state_dict(), model)
    model.load_state_dict(state)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = ((tiles / 255 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)
    with torch.inference_mode():
        return model.forward_head(model.forward_features(torch.from_numpy(pixels))).numpy()


@pytest.mark.parametrize("file", ["timm.pth", "timm.safetensors", "facebook.pth"])
def test_every_format_gives_the_class_token_of_the_source(source, files, file):
    backbone = build(checkpoint=file, base=files)
    rows, expected = backbone.embed(noise(3)), class_token(source, noise(3))
    assert rows.dtype == np.float32
    assert rows.shape == (3, backbone.feature_dim) == (3, 384)
    np.testing.assert_allclose(rows, expected, rtol=1e-3, atol=1e-4)


def test_the_built_network_is_what_its_identity_said_beforehand(files):
    spec = BackboneConfig(name="dinov2_vits14_reg", checkpoint="timm.pth")
    backbone = build_backbone(spec, tile_px=TILE_PX, base=files)
    assert isinstance(backbone, Backbone)
    assert backbone.identity == backbone_identity(spec, base=files)
    assert backbone.name == f"timm:{SMALL}"
    assert len(backbone.weights_sha256) == 64


@pytest.mark.slow
def test_the_published_tile_size_needs_no_resizing(source, files):
    tiles = noise(1, side=518)
    rows = build(checkpoint="facebook.pth", tile_px=518, base=files).embed(tiles)
    np.testing.assert_allclose(rows, class_token(source, tiles), rtol=1e-3, atol=1e-4)


def test_a_row_is_the_same_to_the_bit_whatever_else_is_in_the_batch():
    backbone = build()
    tiles = noise(4)
    alone = np.concatenate([backbone.embed(tiles[k : k + 1]) for k in range(4)])
    assert (backbone.embed(tiles) == alone).all()
    assert (backbone.embed(tiles[::-1].copy()) == alone[::-1]).all()
    assert backbone.embed(tiles[:0]).shape == (0, 384)


def test_batches_of_a_gpu_are_filled_up_and_give_the_same_rows(monkeypatch):
    tiles, one_by_one = noise(5), build()
    monkeypatch.setattr(vit, "CPU_BATCH", 4)
    np.testing.assert_allclose(build().embed(tiles), one_by_one.embed(tiles), rtol=1e-3, atol=1e-4)


def test_random_weights_are_the_same_each_time_and_leave_chance_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first = build()
    assert torch.rand(1) == expected
    assert (build().embed(noise(2)) == first.embed(noise(2))).all()
    assert "random" in first.identity["weights"]


def test_an_untrained_network_tells_tiles_apart():
    rows = build().embed(noise(2))
    assert np.abs(rows[0] - rows[1]).mean() > 0.05


class RegisterSpy(nn.Module):
    """A network whose tokens are numbered, so that a test sees which one came out."""

    num_features = 1
    num_prefix_tokens = 3
    cls_token = 0
    pretrained_cfg = {"mean": (0.0,) * 3, "std": (1.0,) * 3}  # noqa: RUF012 - as timm has it

    def __init__(self, tokens):
        super().__init__()
        self.tokens = tokens
        self.fc_norm = nn.Identity()
        self.patch_embed = nn.Module()
        self.patch_embed.patch_size = (2, 2)

    def forward_features(self, pixels):
        numbers = torch.arange(10.0, 10.0 + self.tokens)
        return numbers.view(1, -1, 1).repeat(len(pixels), 1, 1)


def spied(tokens):
    identity = {"name": "spy", "weights_sha256": ""}
    return TimmBackbone(RegisterSpy(tokens), tile_px=4, identity=identity, device="cpu")


def test_only_the_class_token_comes_out_and_registers_never_do():
    assert spied(3 + 4).embed(noise(2, side=4)).tolist() == [[10.0], [10.0]]


@pytest.mark.parametrize("tokens", [6, 8])
def test_a_network_with_other_tokens_than_its_patches_is_refused(tokens):
    with pytest.raises(TokenCountError, match=f"{tokens} tokens.*3 prefix tokens and 4 patches"):
        spied(tokens).embed(noise(1, side=4))


def test_pixels_are_normalised_by_the_networks_own_mean_and_spread():
    seen = []

    class PixelSpy(RegisterSpy):
        pretrained_cfg = {"mean": (0.5, 0.2, 0.0), "std": (0.5, 1.0, 2.0)}  # noqa: RUF012

        def forward_features(self, pixels):
            seen.append(pixels)
            return super().forward_features(pixels)

    identity = {"name": "spy", "weights_sha256": ""}
    backbone = TimmBackbone(PixelSpy(7), tile_px=4, identity=identity, device="cpu")
    backbone.embed(np.full((1, 4, 4, 3), (255, 51, 0), np.uint8))
    assert seen[0].shape == (1, 3, 4, 4)
    np.testing.assert_allclose(seen[0][0, :, 1, 2], [1.0, 0.0, 0.0], atol=1e-6)


def test_a_network_without_class_token_gives_its_pooled_feature():
    backbone = build(name="timm:resnet10t", tile_px=64)
    rows = backbone.embed(noise(2, side=64))
    assert rows.shape == (2, backbone.feature_dim) == (2, 512)
    assert np.isfinite(rows).all()


def test_a_timm_network_that_does_not_exist_is_refused():
    with pytest.raises(UnknownBackboneError, match=f"Did you mean {SMALL}"):
        build(name=f"{SMALL}x")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dinov2_vitb14_reg", "width 384 instead of 768"),
        ("dinov2_vitl14_reg", "width 384 instead of 1024; depth 12 instead of 24"),
        ("dinov2_vits14", "registers 4 instead of 0"),
        ("timm:resnet10t", "tensors are missing"),
    ],
)
@pytest.mark.parametrize("file", ["timm.safetensors", "facebook.pth"])
def test_a_checkpoint_of_another_network_is_refused_with_the_one_it_fits(files, file, name, words):
    with pytest.raises(WeightsMisfitError, match=words) as refusal:
        build(checkpoint=file, name=name, base=files)
    assert f"fits {SMALL}" in str(refusal.value)


def test_a_file_that_holds_no_weights_is_refused(tmp_path):
    (tmp_path / "page.pth").write_text("<html>404</html>")
    (tmp_path / "page.safetensors").write_text("<html>404</html>")
    torch.save([1, 2], tmp_path / "list.pth")
    for file in ("page.pth", "page.safetensors", "list.pth"):
        with pytest.raises(WeightsMisfitError, match="downloaded whole"):
            build(checkpoint=file, base=tmp_path)


def test_code_hidden_in_a_checkpoint_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (exec, ("raise SystemExit('the trap ran')",))

    torch.save({"cls_token": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(WeightsMisfitError, match="cannot be read as weights"):
        build(checkpoint="trap.pth", base=tmp_path)
