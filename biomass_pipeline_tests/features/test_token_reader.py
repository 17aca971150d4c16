"""Which tokens of a network become rows, on networks whose tokens are numbered."""

import numpy as np
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import (
    BackboneTileError,
    TokenCountError,
    UnsupportedReadingError,
)
from biomass_pipeline.features.loading import load_network
from biomass_pipeline.features.token_reader import MapReader, cell_means, mean_max_gem, reader_of

SIDE, PATCHES = 8, 4  # pixels, patches along a side of 2 px each


class Numbered(nn.Module):
    """Token t of block b is 100 b + t: class token 0, registers 1 and 2, then the patches."""

    num_features, num_prefix_tokens = 1, 3
    cls_token = 0

    def __init__(self, *, n_patches=PATCHES**2):
        super().__init__()
        self.n_patches = n_patches
        self.blocks = [None] * 6
        self.patch_embed = nn.Module()
        self.patch_embed.patch_size = (2, 2)

    def forward_intermediates(self, pixels, *, indices, norm, return_prefix_tokens, **_):
        assert norm
        found = []
        for block in indices:
            tokens = 100.0 * block + torch.arange(3.0 + self.n_patches)
            tokens = tokens.view(1, -1, 1).repeat(len(pixels), 1, 1)
            patches, prefix = tokens[:, 3:], tokens[:, :3]
            found.append((patches, prefix) if return_prefix_tokens else patches)
        return found


class WithoutClass(Numbered):
    """Has registers only; its own pooling adds 1000 to the mean patch."""

    cls_token = None

    def forward_head(self, tokens):
        return tokens[:, 3:].mean(dim=1) + 1000


def spec(**fields):
    return BackboneConfig(name="timm:numbered_patch2", **fields)


def read(network=None, **fields):
    reader = reader_of(network or Numbered(), spec(**fields), tile_px=SIDE)
    rows = reader(torch.zeros(2, 3, SIDE, SIDE))
    assert rows.shape[2] == reader.feature_dim
    assert (rows[0] == rows[1]).all()
    return rows[0].tolist()


# The patches of block 5 are 503 to 518.
MEAN = 510.5
GEM = float(np.mean(np.arange(503.0, 519.0) ** 3) ** (1 / 3))


def test_the_class_token_comes_out_and_registers_never_do():
    assert read() == [[500]]
    assert read(layers="last:2") == [[400, 500]]
    assert read(layers="0,3") == [[0, 300]]
    assert read(tokens="cls+mean") == [[500, MEAN]]
    assert read(tokens="cls+mean", layers="last:2") == [[400, MEAN - 100, 500, MEAN]]
    assert read(tokens="patches") == [[503.0 + patch] for patch in range(16)]
    assert read(tokens="patches", layers="1,5")[3] == [106, 506]


def test_mean_maximum_and_generalised_mean_stand_side_by_side():
    assert read(tokens="mean+max+gem")[0] == pytest.approx([MEAN, 518, GEM])


def test_cells_come_row_by_row():
    # Patches 0 1 | 2 3 over 4 5 | 6 7: their mean is 2.5 from the first.
    assert read(tokens="grid:2") == [[505.5], [507.5], [513.5], [515.5]]
    # Of four patches along a side, thirds have one, one and two.
    first = [503, 504, 505.5]
    assert read(tokens="grid:3")[:3] == [[value] for value in first]
    assert read(tokens="grid:1") == [[MEAN]]
    assert read(tokens="grid:4") == read(tokens="patches")


def test_a_network_without_class_token_gives_its_own_pooled_feature():
    assert read(WithoutClass()) == [[MEAN + 1000]]
    assert read(WithoutClass(), tokens="cls+mean", layers="0,5")[0][2:] == [MEAN + 1000, MEAN]


@pytest.mark.parametrize("n_patches", [15, 17])
def test_a_network_with_other_tokens_than_its_patches_is_refused(n_patches):
    words = f"{n_patches + 3} tokens.*3 prefix tokens and 16 patches"
    with pytest.raises(TokenCountError, match=words):
        read(Numbered(n_patches=n_patches))


def test_a_tile_that_its_patches_do_not_fill_is_refused_whatever_its_name_says():
    with pytest.raises(BackboneTileError, match=r"patches of 2 px.*8 or 10"):
        reader_of(Numbered(), spec(), tile_px=9)


def test_blocks_that_it_does_not_have_are_refused():
    with pytest.raises(UnsupportedReadingError, match="6 blocks"):
        reader_of(Numbered(), spec(layers="6"), tile_px=SIDE)


@given(seed=st.integers(0, 1000), cells=st.integers(1, 4))
def test_cells_of_one_size_average_to_the_mean_of_all_patches(seed, cells):
    generator = torch.Generator().manual_seed(seed)
    side = 2 * cells
    tokens = torch.randn(2, side**2, 3, generator=generator)
    members = torch.eye(cells).repeat_interleave(2, dim=1)
    means = cell_means(tokens, members)
    assert means.shape == (2, cells**2, 3)
    torch.testing.assert_close(means.mean(dim=1), tokens.mean(dim=1))


def test_cells_of_nine_patches_are_averaged_exactly_whatever_the_arithmetic_around():
    tokens = torch.rand(1, 81, 3, generator=torch.Generator().manual_seed(0)) + 1
    members = torch.eye(3).repeat_interleave(3, dim=1)
    with torch.autocast("cpu", torch.bfloat16):
        means = cell_means(tokens, members)
    assert means.dtype == torch.float32
    square = tokens.view(1, 3, 3, 3, 3, 3)
    torch.testing.assert_close(means, square.mean(dim=(2, 4)).flatten(1, 2))


@given(seed=st.integers(0, 1000))
def test_generalised_mean_lies_between_mean_and_maximum_where_nothing_is_negative(seed):
    tokens = torch.rand(2, 9, 4, generator=torch.Generator().manual_seed(seed)) + 0.01
    mean, largest, gem = mean_max_gem(tokens).unflatten(2, (3, 4)).unbind(2)
    assert (gem >= mean - 1e-5).all()
    assert (gem <= largest + 1e-5).all()


def built(model, side, **fields):
    named = BackboneConfig(name=f"timm:{model}", **fields)
    return reader_of(load_network(model, None, tile_px=side).eval(), named, tile_px=side)


# Final norm before pooling, after it, attention pooling, registers without class token.
TRANSFORMERS = {
    "vit_small_patch14_reg4_dinov2": 56,
    "vit_tiny_patch16_224": 64,
    "vit_small_patch16_dinov3_qkvb": 64,
    "eva02_tiny_patch14_224": 56,
    "vit_base_patch16_siglip_224": 64,
    "vit_medium_patch16_reg4_gap_256": 64,
}


@pytest.mark.parametrize("model", TRANSFORMERS)
@torch.inference_mode()
def test_the_whole_tile_is_what_timm_makes_of_it(model):
    side = TRANSFORMERS[model]
    pixels = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    reader = built(model, side)
    tokens = reader.network.forward_features(pixels)
    if reader.network.cls_token is None:
        expected = reader.network.forward_head(tokens)
    else:
        expected = reader.network.fc_norm(tokens)[:, 0]
    torch.testing.assert_close(reader(pixels)[:, 0], expected)


@pytest.mark.parametrize("model", TRANSFORMERS)
@torch.inference_mode()
def test_every_layer_passes_a_final_norm(model):
    side = TRANSFORMERS[model]
    pixels = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    rows = built(model, side, tokens="patches", layers="0,3")(pixels)
    # Untrained norms: every token has mean 0 and variance 1 over its width.
    halves = rows.unflatten(2, (2, -1))
    assert halves.mean(dim=-1).abs().max() < 1e-3
    assert (halves.var(dim=-1, unbiased=False) - 1).abs().max() < 1e-2


# Two of the four stages' layouts: channels first and last; a head wider than the map.
OTHERS = {"resnet10t": 64, "convnext_atto": 64, "mobilenetv3_small_050": 64}
OTHERS |= {"swin_tiny_patch4_window7_224": 56}
# Look like vision transformers, and do not hand out their tokens as these do.
ODD = {"xcit_nano_12_p16_224": 64, "cait_xxs24_224": 224, "mixer_s32_224": 224}


@pytest.mark.parametrize("model", OTHERS)
@torch.inference_mode()
def test_other_networks_give_their_pooled_feature_or_pool_their_map(model):
    side = OTHERS[model]
    pixels = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    reader = built(model, side)
    assert isinstance(reader, MapReader)
    torch.testing.assert_close(reader(pixels)[:, 0], reader.network(pixels))
    assert reader(pixels).shape == (2, 1, reader.feature_dim)
    pooled = built(model, side, tokens="mean+max+gem")
    assert pooled(pixels).shape == (2, 1, pooled.feature_dim)
    assert pooled.feature_dim == 3 * timm.create_model(model, num_classes=0).num_features


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tokens": "cls+mean"}, "no plain vision transformer.*to cls or mean"),
        ({"tokens": "grid:2"}, "no plain vision transformer.*to cls or mean"),
        ({"tokens": "patches"}, "no plain vision transformer.*to cls or mean"),
        ({"layers": "last:2"}, "widths and sizes of their own.*to last"),
        ({"layers": "0"}, "widths and sizes of their own.*to last"),
    ],
)
def test_other_networks_have_neither_patches_nor_equal_layers(fields, words):
    with pytest.raises(UnsupportedReadingError, match=words):
        built("resnet10t", 64, **fields)


@pytest.mark.parametrize("model", ODD)
@torch.inference_mode()
def test_what_only_looks_like_a_transformer_gives_its_pooled_feature(model):
    pixels = torch.randn(1, 3, ODD[model], ODD[model], generator=torch.Generator().manual_seed(0))
    reader = built(model, ODD[model])
    torch.testing.assert_close(reader(pixels)[:, 0], reader.network(pixels))
    pooled = built(model, ODD[model], tokens="mean+max+gem")
    with pytest.raises(UnsupportedReadingError, match=r"no map of places.*to cls"):
        pooled(pixels)


@torch.inference_mode()
def test_a_patch_of_a_map_of_convolutions_counts_as_the_pixels_behind_it():
    reader = built("vit_tiny_r_s16_p8_224", 224, tokens="cls+mean")
    assert reader(torch.zeros(1, 3, 224, 224)).shape == (1, 1, 2 * 192)
