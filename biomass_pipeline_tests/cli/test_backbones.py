"""`backbones` lists what may be asked for, without importing what would build it."""

import subprocess
import sys

import pytest


@pytest.fixture(autouse=True)
def empty_hub_cache(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def rows(ended):
    return {row["name"]: row for row in ended.json}


def test_each_backbone_has_width_patch_licence_and_place(biomass):
    ended = biomass("backbones", "--json")
    assert ended.code == 0
    large = rows(ended)["dinov2_vitl14_reg"]
    assert (large["width"], large["patch_px"], large["licence"]) == (1024, 14, "Apache-2.0")
    assert large["weights"].startswith("to be fetched: https://huggingface.co/timm/vit_large_patch")
    assert rows(ended)["colour-texture-rcf"]["weights"] == "needs none"


def test_the_restrictive_licence_is_named_beside_each_network_that_has_it(biomass):
    listed = rows(biomass("backbones", "--json"))
    restricted = {name for name, row in listed.items() if "DINOv3 License" in row["licence"]}
    assert restricted == {name for name in listed if name.startswith("dinov3")}
    assert len(restricted) == 8


def test_a_person_reads_a_table_and_what_else_there_is(biomass):
    ended = biomass("backbones")
    assert ended.out.startswith("biomass backbones")
    for words in ("dinov3_vitl16_sat493m", "siglip2_vitb16", "eva02_vitl14", "timm:NAME"):
        assert words in ended.out


def test_the_list_needs_no_torch():
    code = (
        "import sys\n"
        "from biomass_pipeline.cli.backbones import show_backbones\n"
        "show_backbones(as_json=True)\n"
        "sys.exit('torch' in sys.modules or 'timm' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
