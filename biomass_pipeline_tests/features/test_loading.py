"""Networks with weights from files, against DINOv2 written out from its definition."""

import zipfile
from functools import cache

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import UnknownBackboneError, WeightsMisfitError
from biomass_pipeline.features.lanes import build_backbone
from biomass_pipeline.features.loading import load_network
from biomass_pipeline_tests.features import reference

SMALL = "vit_small_patch14_reg4_dinov2"
FORMATS = ["timm.pth", "timm.safetensors", "facebook.pth", "facebook.safetensors"]


def noise(count, *, side, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


NAMES = ["dinov2_vits14_reg", "dinov2_vits14"]


@pytest.fixture(scope="module", params=NAMES)
def named(request):
    """A network's name and random weights of its real architecture."""
    return request.param, weights(request.param)


@cache
def weights(name):
    return reference.facebook_state(registers=4 if name.endswith("_reg") else 0)


@pytest.fixture(scope="module")
def files(named, tmp_path_factory):
    """The same weights in each format that people have."""
    folder, (_, state) = tmp_path_factory.mktemp("weights"), named
    for name, tensors in (("facebook", state), ("timm", reference.timm_state(state))):
        torch.save(tensors, folder / f"{name}.pth")
        save_file(tensors, folder / f"{name}.safetensors")
    return folder


def embed(name, tiles, files, *, file, tokens, layers="last:4"):
    spec = BackboneConfig(
        name=name, checkpoint=file, tokens=tokens, layers=layers, precision="fp32"
    )
    backbone = build_backbone(spec, tile_px=tiles.shape[1], base=files)
    return backbone.embed(tiles)


def expected(state, tiles):
    """Class tokens and patch tokens of the last four blocks, block beside block."""
    last = reference.forward(state, tiles)[-4:]
    prefix = 1 + state.get("register_tokens", torch.zeros(1, 0)).shape[1]
    classes, patches = last[:, :, 0], last[:, :, prefix:]
    return (
        classes.permute(1, 0, 2).flatten(1).numpy(),
        patches.permute(1, 2, 0, 3).flatten(0, 1).flatten(1).numpy(),
    )


@pytest.fixture(scope="module")
def published(named):
    """A tile of the published size, and what the definition makes of it."""
    tiles = noise(1, side=518)
    return tiles, *expected(named[1], tiles)


@pytest.mark.parametrize(
    ("named", "file"),
    [
        (NAMES[0], "facebook.pth"),
        pytest.param(NAMES[0], "timm.safetensors", marks=pytest.mark.slow),
        pytest.param(NAMES[1], "facebook.pth", marks=pytest.mark.slow),
    ],
    indirect=["named"],
    scope="module",
)
def test_every_format_agrees_with_the_definition_at_the_published_size(
    named, files, published, file
):
    (name, _), (tiles, classes, patches) = named, published
    found = embed(name, tiles, files, file=file, tokens="patches")
    assert found.shape == (37 * 37, 4 * 384)
    np.testing.assert_allclose(found, patches, rtol=0, atol=1e-5)
    found = embed(name, tiles, files, file=file, tokens="cls")
    np.testing.assert_allclose(found, classes, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("file", "side"), [*((file, 56) for file in FORMATS), (FORMATS[0], 70)])
def test_at_other_sizes_positions_are_interpolated(named, files, file, side):
    (name, state), tiles = named, noise(2, side=side)
    classes, patches = expected(state, tiles)
    found = embed(name, tiles, files, file=file, tokens="patches")
    np.testing.assert_allclose(found, patches, rtol=0, atol=1e-5)
    found = embed(name, tiles, files, file=file, tokens="cls")
    np.testing.assert_allclose(found, classes, rtol=0, atol=1e-5)


def test_an_earlier_block_is_read_by_its_number(named, files):
    (name, state), tiles = named, noise(1, side=56)
    found = embed(name, tiles, files, file="facebook.pth", tokens="cls", layers="2,7")
    blocks = reference.forward(state, tiles)[[2, 7], :, 0]
    np.testing.assert_allclose(found, blocks.flatten()[None].numpy(), rtol=0, atol=1e-5)


# What a file of `named` says of itself, and what it is not.
OTHERS = [
    ("dinov2_vitb14_reg", "width 384 instead of 768"),
    ("dinov2_vitl14_reg", "width 384 instead of 1024; depth 12 instead of 24"),
    ("dinov3_vits16", "patch 14 instead of 16; positions learned instead of rotary"),
    ("timm:resnet10t", "tensors are missing"),
]


@pytest.mark.parametrize(("other", "words"), OTHERS)
@pytest.mark.parametrize("file", ["timm.safetensors", "facebook.pth"])
def test_a_checkpoint_of_another_network_is_refused_with_the_one_it_fits(
    named, files, file, other, words
):
    with pytest.raises(WeightsMisfitError, match=words) as refusal:
        embed(other, noise(1, side=112), files, file=file, tokens="cls", layers="last")
    registers = "reg4_" if named[0].endswith("_reg") else ""
    assert f"fits vit_small_patch14_{registers}dinov2:" in str(refusal.value)


def as_facebook_dinov3(state):
    """Undo timm's renaming of DINOv3, by what facebookresearch/dinov3 calls its tensors."""
    theirs = {}
    for name, value in state.items():
        if name.endswith("q_bias"):
            keys = torch.zeros_like(value)
            together = torch.cat([value, keys, state[name.replace("q_bias", "v_bias")]])
            theirs[name.replace("q_bias", "qkv.bias")] = together
            theirs[name.replace("q_bias", "qkv.bias_mask")] = torch.ones_like(together)
        elif not name.endswith("v_bias"):
            renamed = name.replace("gamma_", "ls").replace("reg_token", "storage_tokens")
            theirs[renamed + (".gamma" if ".ls" in renamed else "")] = value
    theirs["mask_token"] = torch.zeros(1, state["cls_token"].shape[-1])
    theirs["rope_embed.periods"] = torch.zeros(16)
    return theirs


@pytest.fixture(scope="module")
def dinov3(tmp_path_factory):
    """A small DINOv3 with random weights, also where it starts with zeros."""
    model = "vit_small_patch16_dinov3_qkvb"
    network = load_network(model, None, tile_px=64)
    generator = torch.Generator().manual_seed(3)
    for parameter in network.parameters():
        parameter.data += 0.02 * torch.randn(parameter.shape, generator=generator)
    folder = tmp_path_factory.mktemp("dinov3")
    torch.save(network.state_dict(), folder / "timm.pth")
    torch.save(as_facebook_dinov3(network.state_dict()), folder / "facebook.pth")
    return folder


def test_dinov3_has_the_same_rows_from_either_format(dinov3):
    tiles = noise(1, side=64)
    first, second = (
        embed("dinov3_vits16", tiles, dinov3, file=file, tokens="cls+mean")
        for file in ("timm.pth", "facebook.pth")
    )
    assert (first == second).all()


def test_a_dinov3_file_of_facebook_does_not_fit_where_its_biases_would_be_dropped(dinov3):
    with pytest.raises(WeightsMisfitError, match="biases yes instead of no") as refusal:
        load_network("vit_small_patch16_dinov3", dinov3 / "facebook.pth", tile_px=64)
    assert "fits vit_small_patch16_dinov3_qkvb:" in str(refusal.value)


def test_dinov3_at_its_own_size_has_the_right_shape_and_is_deterministic():
    spec = BackboneConfig(
        name="dinov3_vits16",
        random_weights=True,
        tokens="patches",
        layers="last:2",
        precision="fp32",
    )
    tiles = noise(1, side=512)
    first, second = (build_backbone(spec, tile_px=512).embed(tiles) for _ in range(2))
    assert first.shape == (32 * 32, 2 * 384)
    assert (first == second).all()
    assert np.isfinite(first).all()


def test_dinov3_knows_where_a_patch_lies():
    """Its positions are angles: without them, equal patches would get equal tokens."""
    spec = BackboneConfig(
        name="dinov3_vits16", random_weights=True, tokens="patches", precision="fp32"
    )
    tile = np.tile(noise(1, side=16), (1, 4, 4, 1))
    tile[:, :16, :16] = 0
    rows = build_backbone(spec, tile_px=64).embed(tile)
    assert np.abs(rows[5] - rows[15]).max() > 1e-3


def test_a_timm_network_that_does_not_exist_is_refused():
    with pytest.raises(UnknownBackboneError, match=f"Did you mean {SMALL}"):
        load_network(f"{SMALL}x", None, tile_px=56)


def test_random_weights_are_the_same_each_time_and_leave_chance_alone():
    torch.manual_seed(3)
    before = torch.rand(1)
    torch.manual_seed(3)
    first = load_network(SMALL, None, tile_px=56)
    assert torch.rand(1) == before
    second = load_network(SMALL, None, tile_px=56).state_dict()
    assert all((second[name] == value).all() for name, value in first.state_dict().items())


def pickled(value):
    return lambda path: torch.save(value, path)


def spoiled(**tensors):
    return lambda path: torch.save(weights(NAMES[0]) | tensors, path)


class Trap:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the trap ran')",))


def truncated(path):
    torch.save(reference.facebook_state(depth=1), path)
    path.write_bytes(path.read_bytes()[:100_000])


def empty_archive(path):
    with zipfile.ZipFile(path, "w"):
        pass


HOSTILE = {
    "a page.pth": lambda path: path.write_text("<html>404</html>"),
    "a page.safetensors": lambda path: path.write_text("<html>404</html>"),
    "nothing.pth": lambda path: path.write_bytes(b""),
    "nothing.safetensors": lambda path: path.write_bytes(b""),
    "an archive.pth": empty_archive,
    "half.pth": truncated,
    "code.pth": pickled({"cls_token": Trap()}),
    "a list.pth": pickled([1, 2]),
    "none.pth": pickled(None),
    "a number.pth": pickled({"state_dict": 3}),
    "numbers.pth": pickled({"cls_token": 1, "patch_embed.proj.weight": 2}),
    "no names.pth": pickled({1: torch.zeros(2)}),
    "no tensors.pth": pickled({}),
    "scalars.pth": pickled(
        {"cls_token": torch.zeros(()), "patch_embed.proj.weight": torch.ones(())}
    ),
    "odd registers.pth": pickled(
        {
            "cls_token": torch.zeros(1, 1, 384),
            "patch_embed.proj.weight": torch.zeros(384, 3, 14, 14),
            "reg_token": torch.zeros(4),
        }
    ),
    "odd positions.pth": spoiled(pos_embed=torch.zeros(7)),
    "few positions.pth": spoiled(pos_embed=torch.zeros(1, 6, 384)),
    "sparse.pth": spoiled(**{"norm.weight": torch.zeros(384).to_sparse()}),
    "complex.pth": spoiled(**{"norm.weight": torch.zeros(384, dtype=torch.complex64)}),
    "whole numbers.pth": spoiled(**{"norm.weight": torch.zeros(384, dtype=torch.int8)}),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's about sparse tensors
def test_a_file_that_holds_no_such_weights_is_refused_and_nothing_in_it_runs(tmp_path, name):
    HOSTILE[name](tmp_path / name)
    with pytest.raises(WeightsMisfitError, match="does not hold the weights"):
        load_network(SMALL, tmp_path / name, tile_px=56)
