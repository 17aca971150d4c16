import hashlib
import os
import time
from types import SimpleNamespace

import pytest

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import MissingInputError, MissingWeightsError, UnknownBackboneError
from biomass_pipeline.features import weights
from biomass_pipeline.features.lanes import build_backbone
from biomass_pipeline.features.registry import backbone_identity, fetch_weights
from biomass_pipeline.features.weights import HubFile

SMALL = "vit_small_patch14_reg4_dinov2"


@pytest.fixture
def empty_hub_cache(monkeypatch, tmp_path):
    """No file of the hub is on this machine."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def put_in_hub_cache(folder, repo, content):
    """Lay out a downloaded file as the hub's client does."""
    home = folder / f"models--{repo.replace('/', '--')}"
    snapshot = home / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(content)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("abc")


@pytest.mark.usefixtures("empty_hub_cache")
def test_without_weights_and_network_the_answer_is_quick_and_says_what_to_do():
    start = time.monotonic()
    with pytest.raises(MissingWeightsError) as refusal:
        build_backbone(BackboneConfig(name="dinov2_vitl14_reg"), tile_px=56)
    assert time.monotonic() - start < 10
    for word in (
        "vit_large_patch14_reg4_dinov2",
        "timm/vit_large_patch14_reg4_dinov2.lvd142m",
        "backbone.checkpoint",
    ):
        assert word in str(refusal.value)


@pytest.mark.usefixtures("empty_hub_cache")
def test_offline_mode_is_respected(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(MissingWeightsError, match=r"[Oo]ffline"):
        weights.fetch_hub_file(HubFile("timm/some"), model="some")


@pytest.mark.usefixtures("empty_hub_cache")
def test_a_network_that_swallows_every_question_is_given_up(monkeypatch):
    monkeypatch.setattr(weights, "GIVE_UP_S", 0.05)
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda *_, **__: time.sleep(1))
    with pytest.raises(MissingWeightsError, match=r"no answer within 0\.05 s"):
        weights.fetch_hub_file(HubFile("timm/some"), model="some")


def test_what_was_fetched_is_found_again_and_its_hash_enters_the_identity(
    empty_hub_cache, monkeypatch, tmp_path
):
    commit = "0123456789abcdef0123456789abcdef01234567"

    def download(repo, name, *, revision="main"):
        home = empty_hub_cache / f"models--{repo.replace('/', '--')}"
        file = home / "snapshots" / commit / name
        file.parent.mkdir(parents=True)
        file.write_bytes(b"weights")
        # As the real client: a reference only for what is no commit already.
        if revision != commit:
            (home / "refs").mkdir()
            (home / "refs" / revision).write_text(commit)
        return str(file)

    found = SimpleNamespace(commit_hash=commit)
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda *_, **__: found)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    spec = BackboneConfig(name=SMALL)
    fetched = weights.locate(SMALL, spec, base=tmp_path)
    assert backbone_identity(spec)["weights_sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert weights.locate(SMALL, spec, base=tmp_path) == fetched


def test_a_cached_file_of_the_hub_needs_no_network_and_is_hashed(empty_hub_cache, tmp_path):
    spec = BackboneConfig(name=SMALL)
    assert backbone_identity(spec)["weights_sha256"] == ""
    put_in_hub_cache(empty_hub_cache, f"timm/{SMALL}.lvd142m", b"weights")
    found = weights.locate(SMALL, spec, base=tmp_path)
    assert found.read_bytes() == b"weights"
    identity = backbone_identity(spec)
    assert identity["weights_sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert backbone_identity(spec) == identity


@pytest.mark.parametrize("name", [SMALL, f"timm:{SMALL}.lvd142m", "dinov2_vits14_reg"])
def test_equal_weights_are_the_same_network_from_the_hub_and_from_a_file(
    empty_hub_cache, tmp_path, name
):
    unfetched = backbone_identity(BackboneConfig(name=name))
    assert f"timm/{SMALL}.lvd142m" in unfetched["weights"]
    put_in_hub_cache(empty_hub_cache, f"timm/{SMALL}.lvd142m", b"weights")
    (tmp_path / "mine.safetensors").write_bytes(b"weights")
    of_hub = backbone_identity(BackboneConfig(name=name))
    given = BackboneConfig(name="dinov2_vits14_reg", checkpoint="mine.safetensors")
    assert backbone_identity(given, base=tmp_path) == of_hub != unfetched


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": "cls+mean"},
        {"layers": "last:4"},
        {"views": "flips"},
        {"views": "flips", "view_rows": "separate"},
        {"views": "dihedral"},
        {"precision": "fp32"},
        {"compile": True},
        {"name": "timm:vit_small_patch14_dinov2"},
    ],
)
def test_everything_that_decides_a_row_is_in_the_identity(change):
    plain = {"name": SMALL, "random_weights": True}
    found = [backbone_identity(BackboneConfig(**fields)) for fields in (plain, plain | change)]
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("name", "spellings", "canonical"),
    [
        (SMALL, ["last", "last:1", "11", "11,11"], "last"),
        (SMALL, ["last:2", "10,11", "11,10"], "last:2"),
        (SMALL, ["5,11", "11,5", "11,5,5"], "5,11"),
        ("timm:unregistered", ["last", "last:1"], "last"),
        ("timm:unregistered", ["last:4", "last:04"], "last:4"),
        ("timm:unregistered", ["5,11", "11,5"], "5,11"),
        ("timm:unregistered", ["11"], "11"),
    ],
)
def test_equal_choices_of_layers_are_one_identity(name, spellings, canonical):
    for layers in spellings:
        spec = BackboneConfig.model_construct(
            **dict(BackboneConfig(name=name, random_weights=True)) | {"layers": layers}
        )
        assert backbone_identity(spec)["layers"] == canonical


def test_how_views_are_stored_does_not_matter_where_there_is_one():
    plain = {"name": SMALL, "random_weights": True}
    separate = BackboneConfig(**plain, view_rows="separate")
    assert backbone_identity(separate) == backbone_identity(BackboneConfig(**plain))


def test_a_checkpoint_is_known_by_its_content_not_by_its_name(tmp_path):
    one, other = tmp_path / "one.pth", tmp_path / "other.pth"
    one.write_bytes(b"a")
    other.write_bytes(b"a")
    named = [BackboneConfig(name=SMALL, checkpoint=name) for name in ("one.pth", "other.pth")]
    first, second = [backbone_identity(spec, base=tmp_path) for spec in named]
    assert first == second
    assert first["weights_sha256"] == hashlib.sha256(b"a").hexdigest()
    other.write_bytes(b"changed")
    assert backbone_identity(named[1], base=tmp_path) != first


def test_a_hash_is_read_again_when_only_the_time_changed(tmp_path):
    file = tmp_path / "one.pth"
    file.write_bytes(b"a")
    os.utime(file, ns=(1, 1))
    assert weights.file_sha256(file) == hashlib.sha256(b"a").hexdigest()
    file.write_bytes(b"b")
    os.utime(file, ns=(2, 2))
    assert weights.file_sha256(file) == hashlib.sha256(b"b").hexdigest()


def test_random_weights_are_named_and_differ_from_any_file(tmp_path):
    (tmp_path / "one.pth").write_bytes(b"a")
    random = backbone_identity(BackboneConfig(name=SMALL, random_weights=True))
    given = backbone_identity(BackboneConfig(name=SMALL, checkpoint="one.pth"), base=tmp_path)
    assert "random" in random["weights"]
    assert random["weights_sha256"] == ""
    assert random != given
    assert weights.locate(SMALL, BackboneConfig(random_weights=True), base=tmp_path) is None


def test_a_checkpoint_that_is_not_there_is_named_with_its_option(tmp_path):
    spec = BackboneConfig(name=SMALL, checkpoint="nowhere.pth")
    with pytest.raises(MissingInputError, match=r"nowhere\.pth.*backbone\.checkpoint"):
        build_backbone(spec, tile_px=56, base=tmp_path)
    with pytest.raises(MissingInputError):
        backbone_identity(spec, base=tmp_path)


def test_the_same_network_with_timms_tag_is_at_the_same_place():
    assert weights.hub_file(SMALL) == weights.hub_file(f"{SMALL}.lvd142m")


def test_timm_knows_the_places_of_other_networks():
    assert weights.hub_file("resnet18").repo.startswith("timm/resnet18.")
    with pytest.raises(MissingWeightsError, match="no place on the hub"):
        weights.hub_file("botnet50ts_256")


def test_a_network_that_timm_does_not_have_is_refused_with_a_near_one():
    with pytest.raises(UnknownBackboneError, match="Did you mean resnet18"):
        weights.hub_file("resnet18x")


@pytest.mark.parametrize("fields", [{}, {"random_weights": True}, {"checkpoint": "nowhere.pth"}])
@pytest.mark.parametrize("tag", ["nope", "lvd142m", "a1_in1"])
def test_a_tag_that_timm_does_not_have_is_refused_with_those_it_has(fields, tag):
    spec = BackboneConfig(name=f"timm:resnet18.{tag}", **fields)
    words = rf"There is no backbone `resnet18\.{tag}`\. .*Known: .*resnet18\.a1_in1k"
    for refused in (lambda: build_backbone(spec, tile_px=64), lambda: fetch_weights(spec)):
        with pytest.raises(UnknownBackboneError, match=words):
            refused()
