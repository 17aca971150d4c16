"""Names of networks: aliases, timm's names behind them, patch sizes, licences. Imports no torch."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from biomass_pipeline.errors import UnknownBackboneError

TIMM_PREFIX = "timm:"
# Bare timm names are recognised by how they start: every vision transformer of timm does.
TIMM_STARTS = ("vit_",)
DINOV2_TAG = "lvd142m"
APACHE, MIT = "Apache-2.0", "MIT"
DINOV3_LICENCE = "DINOv3 License (Meta's own terms, not open source)"
DINOV3_TERMS = "https://ai.meta.com/resources/models-and-libraries/dinov3-license"
# Whose terms anyone may use, change and pass on; every other licence is said aloud.
PERMISSIVE = frozenset({"apache-2.0", "mit", "bsd-3-clause", "bsd-2-clause", "cc0-1.0"})


@dataclass(frozen=True)
class Network:
    """A pretrained vision transformer with a short name.

    Attributes:
        model: Its name in timm, with the tag of its weights.
        what: For a person.
        width: Of a token.
        depth: How many blocks.
        patch_px: Side of a patch.
        licence: Of the weights.
    """

    model: str
    what: str
    width: int
    depth: int
    patch_px: int
    licence: str

    @property
    def hub_repo(self) -> str:
        """Where timm keeps its weights on the Hugging Face hub."""
        return f"timm/{self.model}"


# The published builds: DINOv2 (Oquab et al. 2024, table 16), DINOv3 (Simeoni et al. 2025, table 6).
_DINOV2 = {
    "S": ("small", 384, 12),
    "B": ("base", 768, 12),
    "L": ("large", 1024, 24),
    "g": ("giant", 1536, 40),
}
_DINOV3 = {
    "s16": ("small_patch16_dinov3_qkvb", 384, 12),
    "s16plus": ("small_plus_patch16_dinov3_qkvb", 384, 12),
    "b16": ("base_patch16_dinov3_qkvb", 768, 12),
    "l16": ("large_patch16_dinov3_qkvb", 1024, 24),
    "h16plus": ("huge_plus_patch16_dinov3_qkvb", 1280, 32),
    # Meta's file of the 7B has no biases of queries and values, so timm has no `_qkvb` of it.
    "7b16": ("7b_patch16_dinov3", 4096, 40),
}
_OTHERS = {
    "siglip_vitb16": ("vit_base_patch16_siglip_512.webli", "SigLIP ViT-B/16", 768, 12),
    "siglip2_vitb16": ("vit_base_patch16_siglip_512.v2_webli", "SigLIP 2 ViT-B/16", 768, 12),
    "siglip2_vitl16": ("vit_large_patch16_siglip_512.v2_webli", "SigLIP 2 ViT-L/16", 1024, 24),
    "siglip2_so400m14": ("vit_so400m_patch14_siglip_378.v2_webli", "SigLIP 2 So400m/14", 1152, 27),
    "eva02_vitb14": (
        "eva02_base_patch14_448.mim_in22k_ft_in22k_in1k",
        "EVA-02 ViT-B/14",
        768,
        12,
    ),
    "eva02_vitl14": (
        "eva02_large_patch14_448.mim_m38m_ft_in22k_in1k",
        "EVA-02 ViT-L/14",
        1024,
        24,
    ),
}


def _dinov2() -> dict[str, Network]:
    """The names of facebookresearch/dinov2."""
    return {
        f"dinov2_vit{letter.lower()}14{suffix}": Network(
            f"vit_{size}_patch14_{registers}dinov2.{DINOV2_TAG}",
            f"DINOv2 ViT-{letter}/14{' with registers' if suffix else ''}",
            width,
            depth,
            14,
            APACHE,
        )
        for letter, (size, width, depth) in _DINOV2.items()
        for suffix, registers in (("", ""), ("_reg", "reg4_"))
    }


def _dinov3() -> dict[str, Network]:
    """The names of facebookresearch/dinov3; satellite weights were published for two sizes."""
    return {
        f"dinov3_vit{size}{suffix}": Network(
            f"vit_{model}.{tag}",
            f"DINOv3 ViT-{size.replace('16', '').replace('plus', '+').upper()}/16, {seen}",
            width,
            depth,
            16,
            DINOV3_LICENCE,
        )
        for suffix, tag, seen, sizes in (
            ("", "lvd1689m", "web photos", tuple(_DINOV3)),
            ("_sat493m", "sat493m", "satellite images", ("l16", "7b16")),
        )
        for size, (model, width, depth) in _DINOV3.items()
        if size in sizes
    }


def _others() -> dict[str, Network]:
    return {
        name: Network(
            model, what, width, depth, int(name[-2:]), APACHE if "siglip" in name else MIT
        )
        for name, (model, what, width, depth) in _OTHERS.items()
    }


NETWORKS = {**_dinov2(), **_dinov3(), **_others()}


def timm_name(name: str, *, known: Sequence[str] = ()) -> str:
    """The timm network behind a name: an alias, `timm:NAME`, or a bare name like `vit_*`.

    DINOv2 has one set of weights, so that its tag says nothing and is left out; any other tag
    stays, since it decides how pixels are normalised.

    >>> timm_name("dinov2_vitl14_reg")
    'vit_large_patch14_reg4_dinov2'
    >>> timm_name("timm:resnet18")
    'resnet18'

    Args:
        name: What a configuration says.
        known: Names that the refusal offers.

    Raises:
        UnknownBackboneError: It is none of these.
    """
    if name in NETWORKS:
        return NETWORKS[name].model.removesuffix(f".{DINOV2_TAG}")
    if is_of_timm(name):
        model = name.removeprefix(TIMM_PREFIX)
        plain = model.removesuffix(f".{DINOV2_TAG}")
        return plain if plain.endswith("dinov2") else model
    near = difflib.get_close_matches(name, known or list(NETWORKS), n=2)
    raise UnknownBackboneError(name, near=near, known=known or list(NETWORKS))


def is_of_timm(name: str) -> bool:
    """Whether a name leads to a network of timm."""
    named = name.startswith(TIMM_PREFIX) and name != TIMM_PREFIX
    return name in NETWORKS or named or name.startswith(TIMM_STARTS)


def network_of(model: str) -> Network | None:
    """The registered network with a name of timm's, with or without DINOv2's tag."""
    whole = f"{model}.{DINOV2_TAG}" if model.endswith("dinov2") else model
    return next((network for network in NETWORKS.values() if network.model == whole), None)


def patch_px(model: str) -> int | None:
    """Timm's names of vision transformers hold their patch size; None for other networks.

    >>> patch_px("vit_large_patch14_dinov2")
    14
    """
    found = re.search(r"_patch(\d+)", model)
    return int(found[1]) if found else None


def licence_of(model: str) -> str:
    """The licence of a network's weights in words; empty where only timm could tell."""
    network = network_of(model)
    if network:
        return network.licence
    return DINOV3_LICENCE if "dinov3" in model else ""


def licence_notice(licence: str) -> str:
    """What to say of a licence that restricts what may be done; empty for one that does not.

    >>> licence_notice(APACHE), licence_notice("cc-by-nc-4.0")
    ('', 'licence of the weights: cc-by-nc-4.0')
    """
    if not licence or licence.lower() in PERMISSIVE:
        return ""
    terms = f"; read {DINOV3_TERMS} before you use it" if licence == DINOV3_LICENCE else ""
    return f"licence of the weights: {licence}{terms}"
