"""What was exported is what is read, by every bit; anything else is refused with its name."""

import hashlib
import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.errors import (
    BundleSchemaError,
    DamagedBundleError,
    MissingBundleError,
    MissingInputError,
    OtherBackboneError,
    OtherVersionsError,
)
from biomass_pipeline.inference import bundle as bundle_module
from biomass_pipeline.inference import bundle_files
from biomass_pipeline.inference.bundle import RANDOM_NOTE, load_bundle, save_bundle
from biomass_pipeline.inference.bundle_files import RECORD_NAME, packed, unpacked
from biomass_pipeline.inference.embedding import Workplace, embed_location
from biomass_pipeline.inference.ensemble import predict_ensemble
from biomass_pipeline_tests.inference.models import bundle_of, same


@pytest.fixture(scope="module")
def features(meadow):
    place = Workplace(cache=meadow.cache, device="cpu")
    return embed_location(str(meadow.photos), meadow.bundle, place=place).features


def record(folder):
    return json.loads((folder / RECORD_NAME).read_text())


def rewrite(folder, change):
    """Change what the record says."""
    content = record(folder)
    change(content)
    (folder / RECORD_NAME).write_text(json.dumps(content))


def replace_arrays(folder, change, *, fold=0):
    """Change a fold's arrays, and tell the record as a forger would."""
    path = folder / f"fold_{fold}.safetensors"
    arrays = unpacked(path.read_bytes(), path)
    change(arrays)
    path.write_bytes(packed(arrays))
    data = path.read_bytes()
    facts = {"sha256": hashlib.sha256(data).hexdigest(), "n_bytes": len(data)}
    rewrite(folder, lambda content: content["folds"][fold].update(facts))


class TestRoundTrip:
    def test_predictions_are_the_same_by_every_bit(self, meadow, exported, features):
        loaded = load_bundle(exported)
        before, after = (
            predict_ensemble(each.ensemble, features, spec=each.spec)
            for each in (meadow.bundle, loaded)
        )
        assert same(before.predictive, after.predictive)
        assert (before.novelty == after.novelty).all()
        assert (before.disagreement == after.disagreement).all()
        assert before.variance == after.variance

    def test_the_settings_that_matter_travel_and_private_paths_do_not(self, meadow, exported):
        loaded, config = load_bundle(exported), meadow.bundle.config
        for section in ("tiling", "imaging", "backbone", "cache", "evaluation"):
            assert getattr(loaded.config, section) == getattr(config, section)
        assert loaded.config.data.targets == config.data.targets
        assert loaded.spec == meadow.bundle.spec
        assert "data/demo" not in (exported / RECORD_NAME).read_text()

    def test_where_features_are_read_here_neither_travels_nor_decides(
        self, meadow, exported, tmp_path
    ):
        config = meadow.bundle.config
        cache = config.cache.model_copy(update={"read_from": "shards"})
        bundle = replace(meadow.bundle, config=config.model_copy(update={"cache": cache}))
        save_bundle(bundle, tmp_path / "bundle", card=(exported / "MODEL_CARD.md").read_text())
        assert record(tmp_path / "bundle") == record(exported)
        assert "read_from" not in (exported / RECORD_NAME).read_text()

    def test_fingerprints_are_the_same_before_and_after(self, meadow, exported):
        loaded = load_bundle(exported)
        assert loaded.fingerprint == meadow.bundle.fingerprint == record(exported)["fingerprint"]
        assert loaded.extraction == meadow.bundle.extraction

    def test_there_is_nothing_but_json_safetensors_and_a_card(self, exported):
        names = sorted(path.name for path in exported.iterdir())
        assert names == [
            "MODEL_CARD.md",
            "bundle.json",
            "fold_0.safetensors",
            "fold_1.safetensors",
        ]
        for number in (0, 1):
            data = (exported / f"fold_{number}.safetensors").read_bytes()
            arrays = unpacked(data, exported)
            assert {values.dtype.kind for values in arrays.values()} <= set("fi")

    def test_the_same_model_gives_the_same_files(self, meadow, exported, tmp_path):
        save_bundle(meadow.bundle, tmp_path / "again", card="A card.\n")
        for path in exported.iterdir():
            assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()

    def test_models_of_other_targets_are_not_saved(self, meadow, fold, tmp_path):
        with pytest.raises(ValueError, match="other targets"):
            save_bundle(bundle_of([fold], data=meadow.bundle.config.data), tmp_path / "b", card="")


class TestDamage:
    @pytest.mark.parametrize("name", ["bundle.json", "fold_1.safetensors"])
    def test_a_missing_file_is_named(self, copied, name):
        (copied / name).unlink()
        with pytest.raises(MissingBundleError, match=rf"{name} is missing.*export model"):
            load_bundle(copied)

    def test_a_folder_that_is_not_there_is_no_bundle(self, tmp_path):
        with pytest.raises(MissingBundleError, match=r"bundle\.json is missing"):
            load_bundle(tmp_path / "nowhere")

    def test_a_file_instead_of_a_folder_is_no_bundle(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(MissingBundleError, match=r"bundle\.json is missing"):
            load_bundle(tmp_path / "file")

    def test_a_truncated_file_is_named(self, copied):
        path = copied / "fold_0.safetensors"
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(DamagedBundleError, match=r"fold_0\.safetensors cannot.*bytes instead"):
            load_bundle(copied)

    def test_a_longer_file_is_named(self, copied):
        path = copied / "fold_0.safetensors"
        path.write_bytes(path.read_bytes() + b"more")
        with pytest.raises(DamagedBundleError, match=r"fold_0\.safetensors.*more than the"):
            load_bundle(copied)

    @given(place=st.integers(0, 10**9), value=st.integers(1, 255))
    def test_any_changed_byte_is_seen(self, exported, place, value):
        data = bytearray((exported / "fold_0.safetensors").read_bytes())
        data[place % len(data)] ^= value
        assert hashlib.sha256(data).hexdigest() != record(exported)["folds"][0]["sha256"]

    def test_a_changed_byte_is_refused(self, copied):
        path = copied / "fold_0.safetensors"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        with pytest.raises(DamagedBundleError, match="not what was exported"):
            load_bundle(copied)

    def test_folds_that_changed_places_are_seen(self, copied):
        one, other = (copied / f"fold_{number}.safetensors" for number in (0, 1))
        first = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(first)
        with pytest.raises(DamagedBundleError, match=r"fold_0\.safetensors"):
            load_bundle(copied)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "no JSON"),
            ("{", "no JSON"),
            ("[]", "no JSON object"),
            ("[" * 100_000, "no JSON"),
            ('{"schema_version": NaN}', "NaN is no number"),
            ('{"schema_version": 1, "schema_version": 1}', "stands twice"),
            ('{"schema_version": ' + "9" * 5000 + "}", "no JSON"),
            ("\ud800", "no JSON"),
        ],
        ids=["empty", "half", "list", "deep", "nan", "double", "digits", "no text"],
    )
    def test_a_record_that_is_none_is_refused(self, copied, text, words):
        (copied / RECORD_NAME).write_bytes(text.encode(errors="surrogatepass"))
        with pytest.raises(DamagedBundleError, match=words):
            load_bundle(copied)

    def test_a_huge_record_is_refused_unread(self, copied, monkeypatch):
        monkeypatch.setattr(bundle_files, "MOST_RECORD_BYTES", 100)
        with pytest.raises(DamagedBundleError, match=r"more than the 100 that it may have"):
            load_bundle(copied)

    @pytest.mark.parametrize("name", ["bundle.json", "fold_0.safetensors"])
    def test_links_are_not_followed(self, copied, tmp_path, name):
        elsewhere = tmp_path / "elsewhere"
        (copied / name).rename(elsewhere)
        (copied / name).symlink_to(elsewhere)
        with pytest.raises(DamagedBundleError, match=rf"{name} cannot.*link"):
            load_bundle(copied)

    def test_a_folder_in_a_files_place_is_refused(self, copied):
        (copied / "fold_0.safetensors").unlink()
        (copied / "fold_0.safetensors").mkdir()
        with pytest.raises(DamagedBundleError, match="link or no file"):
            load_bundle(copied)

    def test_a_pipe_in_a_files_place_does_not_hang(self, copied):
        (copied / "fold_0.safetensors").unlink()
        os.mkfifo(copied / "fold_0.safetensors")
        with pytest.raises(DamagedBundleError, match="link or no file"):
            load_bundle(copied)

    def test_no_name_in_the_record_is_a_path(self, copied):
        """An unknown key, such as the name of a file elsewhere, is refused and never opened."""
        rewrite(copied, lambda r: r["folds"][0].update(file="../../etc/passwd"))
        with pytest.raises(DamagedBundleError, match=r"folds\.0\.file.*not permitted"):
            load_bundle(copied)

    def test_a_record_of_another_kind_of_value_is_refused(self, copied):
        rewrite(copied, lambda r: r["folds"][0].update(n_bytes="many"))
        with pytest.raises(DamagedBundleError, match=r"folds\.0\.n_bytes"):
            load_bundle(copied)

    def test_a_pickle_is_refused(self, copied):
        path = copied / "fold_0.safetensors"
        torch.save({"weights": torch.ones(3)}, path)
        facts = {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "n_bytes": path.stat().st_size,
        }
        rewrite(copied, lambda r: r["folds"][0].update(facts))
        with pytest.raises(DamagedBundleError, match="no safetensors file"):
            load_bundle(copied)


class TestForgery:
    """Files whose hashes were made to fit."""

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda a: a.pop("ridge/inner/y"), "1 arrays are missing, such as ridge/inner/y"),
            (lambda a: a.update(more=np.zeros(2)), "1 arrays are unknown, such as more"),
            (
                lambda a: a.update({"ridge_0/intercept": np.zeros(7)}),
                r"ridge_0/intercept is float64 of shape \(7,\) instead of float64 of \(3,\)",
            ),
            (
                lambda a: a.update({"network_0/inner/photo": a["network_0/inner/photo"] + 99}),
                "not listed",
            ),
        ],
        ids=["lacks one", "one too many", "shape", "no such photo"],
    )
    def test_arrays_that_do_not_fit_are_named(self, copied, change, words):
        replace_arrays(copied, change)
        with pytest.raises(DamagedBundleError, match=words):
            load_bundle(copied)

    @pytest.mark.parametrize("section", ["tiling", "data", "evaluation"])
    def test_changed_settings_do_not_give_the_stated_fingerprint(self, copied, section):
        changes = {
            "tiling": {"stride_px": 8},
            "data": {"quadrat_area_m2": 1.0},
            "evaluation": {"interval_level": 0.95},
        }
        rewrite(copied, lambda r: r["settings"][section].update(changes[section]))
        with pytest.raises(DamagedBundleError, match="do not give the fingerprint"):
            load_bundle(copied)


class TestOthers:
    @pytest.mark.parametrize("version", [0, 2, "1", None])
    def test_another_schema_is_refused_by_its_number(self, copied, version):
        rewrite(copied, lambda r: r.update(schema_version=version))
        with pytest.raises(BundleSchemaError, match=rf"schema version {version!r}.*reads 1"):
            load_bundle(copied)

    def test_models_of_other_learning_code_are_refused(self, copied):
        rewrite(copied, lambda r: r.update(code_version="1", package_version="0.0.9"))
        with pytest.raises(BundleSchemaError, match=r"learning code '1'.*biomass-pipeline 0\.0\.9"):
            load_bundle(copied)

    def test_another_backbone_is_refused_part_by_part(self, copied, monkeypatch):
        there = bundle_module.backbone_identity(BackboneConfig(name="colour-texture"))
        monkeypatch.setattr(
            bundle_module, "backbone_identity", lambda _: there | {"version": "other"}
        )
        with pytest.raises(OtherBackboneError, match=r"version: other here"):
            load_bundle(copied)

    def test_other_libraries_are_refused_unless_they_are_allowed(self, copied, monkeypatch):
        monkeypatch.setattr(bundle_module, "decoder_identity", lambda: "opencv 9, pillow 9")
        with pytest.raises(OtherVersionsError, match=r"(?s)pillow 9 here.*--other-versions"):
            load_bundle(copied)
        loaded = load_bundle(copied, other_versions=True)
        assert loaded.fingerprint == record(copied)["fingerprint"]

    def test_the_version_of_a_library_in_the_backbone_is_one_of_those(self, copied, monkeypatch):
        there = bundle_module.backbone_identity(BackboneConfig(name="colour-texture"))
        monkeypatch.setattr(bundle_module, "backbone_identity", lambda _: there | {"opencv": "0"})
        with pytest.raises(OtherVersionsError, match=r"opencv: 0 here"):
            load_bundle(copied)
        assert load_bundle(copied, other_versions=True).identity["opencv"] == "0"


class TestWeights:
    """A network of timm, tiny and random, with weights of a file."""

    SPEC = BackboneConfig(name="timm:test_vit", checkpoint="mine.safetensors")

    @pytest.fixture
    def carried(self, fold, tmp_path, monkeypatch):
        """A bundle whose backbone had its weights in a file, and two such files."""
        for name in ("mine", "others"):
            (tmp_path / f"{name}.safetensors").write_bytes(name.encode())
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("biomass_pipeline.features.weights.require_network", lambda _: None)
        spec = self.SPEC.model_copy(update={"checkpoint": str(tmp_path / "mine.safetensors")})
        save_bundle(bundle_of([fold], backbone=spec), tmp_path / "bundle", card="")
        return tmp_path / "bundle"

    def test_the_files_own_place_does_not_travel(self, carried, tmp_path):
        text = (carried / RECORD_NAME).read_text()
        assert str(tmp_path) not in text
        assert "mine.safetensors" in text

    def test_with_the_weights_it_loads(self, carried, tmp_path):
        weights = tmp_path / "mine.safetensors"
        loaded = load_bundle(carried, weights=weights)
        assert loaded.identity["weights_sha256"] == hashlib.sha256(b"mine").hexdigest()
        moved = weights.rename(tmp_path / "moved.safetensors")
        assert load_bundle(carried, weights=moved).fingerprint == loaded.fingerprint

    def test_other_weights_are_refused_by_hash(self, carried, tmp_path):
        with pytest.raises(OtherBackboneError, match=r"weights_sha256: \w{64} here") as refusal:
            load_bundle(carried, weights=tmp_path / "others.safetensors")
        assert hashlib.sha256(b"mine").hexdigest() in str(refusal.value)
        with pytest.raises(OtherBackboneError):
            load_bundle(carried, weights=tmp_path / "others.safetensors", other_versions=True)

    def test_without_the_weights_the_option_is_named(self, carried, tmp_path):
        with pytest.raises(MissingInputError, match=r"nowhere\.safetensors.*--weights"):
            load_bundle(carried, weights=tmp_path / "nowhere.safetensors")
        with pytest.raises(MissingInputError, match=r"mine\.safetensors.*--weights"):
            load_bundle(carried)

    def test_random_weights_are_said(self, fold, tmp_path, monkeypatch):
        monkeypatch.setattr("biomass_pipeline.features.weights.require_network", lambda _: None)
        spec = BackboneConfig(name="timm:test_vit", random_weights=True)
        save_bundle(bundle_of([fold], backbone=spec), tmp_path / "bundle", card="")
        assert load_bundle(tmp_path / "bundle").notes == (RANDOM_NOTE,)
