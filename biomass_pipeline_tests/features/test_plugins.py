"""Backbones of other packages: real entry points, in a folder laid out as pip does."""

import sys

import numpy as np
import pytest

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import BackbonePluginError, UnsupportedReadingError
from biomass_pipeline.features.lanes import build_backbone, build_lanes, measure_precision
from biomass_pipeline.features.registry import (
    available,
    backbone_identity,
    fetch_weights,
    list_backbones,
)

NAME = "brightness"
CODE = """
import numpy as np

IDENTITY = {"name": "brightness", "weights_sha256": "", "version": "1"}


class Brightness:
    name, feature_dim, weights_sha256, batch_size, precision = "brightness", 1, "", 8, ""
    identity = IDENTITY

    def __init__(self, tile_px, device):
        self.tile_px, self.device = tile_px, device

    def embed(self, tiles):
        return tiles.mean(axis=(1, 2, 3), dtype=np.float32)[:, None]


def identity():
    return IDENTITY


def build(*, tile_px, device):
    return Brightness(tile_px, device)
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package that offers a backbone, under a module name of its own."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(package, code, *, name=NAME):
        module = package.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        points = f"[biomass_pipeline.backbones]\n{name} = {module}\n"
        (info / "entry_points.txt").write_text(points)
        monkeypatch.delitem(sys.modules, module, raising=False)

    return put


def spec(**fields):
    return BackboneConfig(name=NAME, **fields)


def test_an_installed_package_adds_a_backbone(install):
    assert NAME not in available()
    install("bright-package", CODE)
    assert NAME in available()
    backbone = build_backbone(spec(), tile_px=8, device="cpu")
    assert backbone.identity == backbone_identity(spec())
    assert backbone.embed(np.full((2, 8, 8, 3), 9, np.uint8)).tolist() == [[9.0], [9.0]]
    assert fetch_weights(spec()) == "brightness of bright-package 1.2 brings its own"
    assert measure_precision(spec(), tile_px=8) == {}


def test_it_is_listed_with_its_package_and_without_importing_it(install):
    install("bright-package", "raise RuntimeError('imported')")
    listed = {listing.name: listing for listing in list_backbones()}
    assert listed[NAME].what == "from bright-package 1.2"
    assert listed[NAME].weights == "brings its own"


def test_it_may_be_seen_from_all_sides_and_runs_once_on_each_device(install):
    install("bright-package", CODE)
    lanes = build_lanes(
        spec(views="flips"), tile_px=8, devices=["cuda:0", "cuda:1"], batch_size="auto"
    )
    assert [lane._backbone.device for lane in lanes] == ["cuda:0", "cuda:1"]
    assert lanes[0].identity == backbone_identity(spec(views="flips"))


def test_it_gives_one_row_a_tile(install):
    install("bright-package", CODE)
    with pytest.raises(UnsupportedReadingError, match=r"brightness.*a tile as a whole"):
        backbone_identity(spec(tokens="grid:2"))


def test_two_packages_with_one_name_are_refused_with_both(install):
    install("bright-package", CODE)
    install("other-package", CODE)
    with pytest.raises(BackbonePluginError, match=r"bright-package 1.2 and other-package 1.2.*2 e"):
        backbone_identity(spec())
    listed = {listing.name: listing for listing in list_backbones()}
    assert listed[NAME].weights == "unusable: 2 entry points have this name"


@pytest.mark.parametrize("name", ["rcf", "dinov2_vits14", "vit_mine"])
def test_a_name_of_our_own_cannot_be_taken(install, name):
    install("bright-package", CODE, name=name)
    with pytest.raises(BackbonePluginError, match=f"`{name}` is a name of biomass_pipeline's own"):
        backbone_identity(BackboneConfig(name=name))


BROKEN = {
    "import nowhere_to_be_found": r"cannot be imported \(ModuleNotFoundError",
    "identity = None": "has no `identity` and `build`",
    CODE + "\n\ndef identity():\n    raise OSError('no file')": r"`identity` fails \(OSError: no",
    CODE.replace('"weights_sha256": ""', '"other": ""'): "lacks `weights_sha256`",
    CODE.replace('{"name": "brightness"', '{"name": "darkness"'): "`name` is not brightness",
}
BADLY_BUILT = {
    CODE + "\n\ndef build(**_):\n    raise OSError('no file')": r"cannot be built \(OSError: no",
    CODE + "\n\ndef build(**_):\n    return 3": "lacks .*`feature_dim`",
    CODE.replace("identity = IDENTITY", "identity = {}"): "another identity than announced",
}


@pytest.mark.parametrize("code", BROKEN)
def test_a_broken_plugin_is_an_error_that_names_its_package(install, code):
    install("bright-package", code)
    with pytest.raises(BackbonePluginError, match=f"`brightness` of bright-pack.*{BROKEN[code]}"):
        backbone_identity(spec())


@pytest.mark.parametrize("code", BADLY_BUILT)
def test_a_plugin_that_builds_something_else_is_refused(install, code):
    install("bright-package", code)
    with pytest.raises(BackbonePluginError, match=f"bright-package 1.2.*{BADLY_BUILT[code]}"):
        build_backbone(spec(), tile_px=8)
