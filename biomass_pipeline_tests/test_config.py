"""The configuration refuses what it does not know, and its fingerprints follow its content."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomass_pipeline.config import (
    Config,
    DataConfig,
    TargetConfig,
    TilingConfig,
    find_config_file,
    fingerprint,
    load_config,
)
from biomass_pipeline.errors import ConfigError, MissingInputError


def write(tmp_path, text):
    path = tmp_path / "biomass.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_run_and_have_the_contracts_tiles():
    config = load_config(None)
    assert (config.tiling.tile_px, config.tiling.stride_px) == (518, 400)
    assert config.backbone.name == "colour-texture-rcf"


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path):
    file = write(tmp_path, "training: {epochs: 1, patience: 1, seed: 1}")
    config = load_config(
        file,
        overrides=["training.epochs=3"],
        environment={
            "BIOMASS__TRAINING__EPOCHS": "2",
            "BIOMASS__TRAINING__PATIENCE": "2",
            "X": "9",
        },
    )
    assert (config.training.epochs, config.training.patience, config.training.seed) == (3, 2, 1)


def test_an_override_is_yaml():
    config = load_config(None, overrides=["data.group_columns=[date, plot]", "root=null"])
    assert config.data.group_columns == ("date", "plot")
    assert config.root is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train: {epochs: 3}", "`train` is not a known key; did you mean `training`"),
        ("training: {epoch: 3}", "`training.epoch` is not a known key; did you mean `epochs`"),
        ("training: {qqq: 3}", "known: model, aggregator, head, loss"),
        (
            "data: {targets: [{name: a, weights: 2}], identities: {}}",
            "`data.targets.0.weights` is not a known key; did you mean `weight`",
        ),
        ("training: {epochs: none}", r"`training.epochs`: .*found 'none'"),
        ("tiling: {tile_px: 100, stride_px: 101}", "leaves gaps between tiles of 100 px"),
        ("data: {targets: [{name: a}, {name: a}], identities: {}}", "distinct names"),
        ("data: {targets: [{name: a}], identities: {b: [a]}}", r"not listed: \['b'\]"),
        ("data: {targets: [{name: a, weight: 0}], identities: {}}", "a positive weight"),
        (
            "data: {targets: [{name: a}, {name: b}], identities: {a: [b], b: [a]}}",
            r"circular: \['a', 'b'\]",
        ),
        ("[1, 2]", "expected sections"),
        ("a: [", "it is not YAML"),
        ("a: 2024-13-45", "it is not YAML"),
        (f"a: {'1' * 5_000}", "it is not YAML"),
        ("a: " + "[" * 3_000, "it is not YAML"),
        ("training: 3", "`training`"),
    ],
)
def test_a_mistake_is_named_with_the_file(tmp_path, text, words):
    with pytest.raises(ConfigError, match=words) as caught:
        load_config(write(tmp_path, text))
    assert str(tmp_path) in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.epochs", "expected section.key=value"),
        ("name.x=1", "`name` is a value, not a section"),
        ("training.epochs=[", "the value is not YAML"),
        ("training.epochs=2024-13-45", "the value is not YAML"),
    ],
)
def test_a_bad_override_is_named(tmp_path, override, words):
    with pytest.raises(ConfigError, match=words):
        load_config(write(tmp_path, "name: here"), overrides=[override])


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(MissingInputError, match=r"no configuration at .*absent.yaml.*--config"):
        load_config(tmp_path / "absent.yaml")


def test_the_file_is_found_by_argument_then_variable_then_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BIOMASS_CONFIG", raising=False)
    assert find_config_file() is None
    demo = tmp_path / "data" / "demo"
    demo.mkdir(parents=True)
    (demo / "biomass.yaml").touch()
    assert find_config_file().resolve() == demo / "biomass.yaml"
    local = write(tmp_path, "")
    assert find_config_file().resolve() == local
    monkeypatch.setenv("BIOMASS_CONFIG", "named.yaml")
    assert find_config_file().name == "named.yaml"
    assert find_config_file(tmp_path / "given.yaml").name == "given.yaml"


def test_sums_are_made_of_components():
    data = DataConfig()
    assert data.components == ("Dry_Green_g", "Dry_Dead_g", "Dry_Clover_g")
    assert dict(zip(data.target_names, data.component_matrix(), strict=True)) == {
        "Dry_Green_g": [1, 0, 0],
        "Dry_Dead_g": [0, 1, 0],
        "Dry_Clover_g": [0, 0, 1],
        "GDM_g": [1, 0, 1],
        "Dry_Total_g": [1, 1, 1],
    }
    assert data.sum_order() == ("GDM_g", "Dry_Total_g")


def test_grams_have_the_laboratorys_detection_limit_and_fractions_none():
    assert TargetConfig(name="a").detection_limit == 0.05
    assert TargetConfig(name="a", unit="fraction").detection_limit == 0
    assert TargetConfig(name="a", zero_below=0.2).detection_limit == 0.2


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.floats(0, 1))))
def test_a_fingerprint_ignores_the_order_of_keys_and_nothing_else(content):
    backwards = dict(reversed(content.items()))
    assert fingerprint(content) == fingerprint(backwards)
    assert fingerprint(content) != fingerprint({**content, "one more key": 1})


def test_a_model_and_its_json_have_one_fingerprint():
    assert fingerprint(TilingConfig()) == fingerprint(TilingConfig().model_dump(mode="json"))
    assert fingerprint(Config()) != fingerprint(Config(name="other"))


def test_the_documentation_is_what_the_models_say():
    root = Path(__file__).parents[1]
    spec = spec_from_file_location("config_page", root / "scripts" / "config_page.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (root / "docs" / "configuration.md").read_text(encoding="utf-8") == module.page()


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("backbone.tokens=grid", "or a grid such as grid:4"),
        ("backbone.tokens=grid:0", "or a grid such as grid:4"),
        ("backbone.layers=first", "the last few such as last:4"),
    ],
)
def test_what_tokens_and_layers_may_be_is_said_in_words(override, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load_config(None, overrides=[override])
