"""What stands in fences is what the program understands, whether it can be run here or not."""

import json
import shlex
import tomllib
from collections import Counter

import numpy as np
import pytest
import typer
import yaml

from biomass_pipeline.cli.app import app
from biomass_pipeline.config import BackboneConfig, Config, parse_config
from biomass_pipeline.features import backbone_identity, build_backbone
from biomass_pipeline_tests.docs.pages import ROOT, all_fences, fences_of

FENCES = all_fences()
LANGUAGES = {"python", "sh", "console", "yaml", "toml", "json", "csv", "text"}
# A block that is not run has one of these reasons. Each one more is one that nothing watches over.
NOT_RUN = {
    "needs a cluster": 5,
    "needs a container engine": 6,
    "needs a GPU": 2,
    "needs the network": 2,
    "takes minutes": 4,
    "waits for your features": 1,
    "waits for your package": 1,
}


GUIDE = "docs/how-to/new-backbone.md"


def of(*languages):
    chosen = [fence for fence in FENCES if fence.language in languages]
    return pytest.mark.parametrize("fence", chosen, ids=[fence.where for fence in chosen])


def parsed(words):
    """Read a command line as `biomass` does, without running it."""
    command, context = typer.main.get_command(app), None
    name, rest = "biomass", list(words)
    while hasattr(command, "commands"):
        context = type(command).context_class(command, info_name=name, parent=context)
        assert rest, f"`{name}` needs a verb"
        name, rest = rest[0], rest[1:]
        assert name in command.commands, f"there is no verb `{name}`"
        command = command.commands[name]
    return command.make_context(name, rest, parent=context)


def test_every_fence_says_what_it_holds():
    strange = [f"{fence.where}: {fence.language!r}" for fence in FENCES]
    assert [each for each in strange if each.split(": ")[1].strip("'") not in LANGUAGES] == []


def test_what_is_not_run_says_why_and_is_counted():
    assert Counter(fence.reason for fence in FENCES if fence.reason) == Counter(NOT_RUN)


@of("sh", "console")
def test_every_command_is_one_that_is_there(fence):
    targets = {line.split(":")[0] for line in (ROOT / "Makefile").read_text().splitlines()}
    for command in fence.commands:
        verb, *words = shlex.split(command)
        if verb == "biomass":
            # Who asks for help is not asked for the rest.
            assert "--help" in words or parsed(words)
        elif verb == "make":
            assert {word for word in words if "=" not in word} <= targets, command
        elif verb in {"python", "sh"}:
            script = words[2] if words[:2] == ["-m", "pytest"] else words[0]
            assert (ROOT / script).exists(), command
        else:
            assert fence.reason, f"{fence.where}: `{verb}` is run nowhere, and no reason is given"


@of("yaml")
def test_every_setting_is_one_that_is_there(fence):
    found = yaml.safe_load(fence.text)
    if not fence.reason:
        assert set(found) <= set(Config.model_fields), "no section of biomass.yaml"
        parse_config(found, source=fence.where)


@of("toml", "json")
def test_data_can_be_read(fence):
    {"toml": tomllib.loads, "json": json.loads}[fence.language](fence.text)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["fly"], "no verb `fly`"),
        (["cache"], "needs a verb"),
        (["run", "--quickly"], "No such option"),
        (["predict", "photos"], "output"),
        (["run", "--fold", "first"], "valid integer"),
    ],
)
def test_a_command_that_is_not_there_is_seen(words, complaint):
    with pytest.raises((AssertionError, Exception), match=complaint):
        parsed(words)


def test_a_reason_belongs_to_the_fence_right_below_it():
    text = "<!-- not run: needs a GPU -->\n```sh\na\n```\n\n```sh\n$ b # c\n```\n"
    first, second = fences_of("page.md", text)
    assert (first.reason, first.line, first.commands) == ("needs a GPU", 3, ["a"])
    assert (second.reason, second.line) == ("", 7)


def test_the_backbone_of_the_guide_is_found_by_its_entry_point(tmp_path, monkeypatch):
    blocks = {fence.language: fence.text for fence in reversed([*fences_of(GUIDE)])}
    points = tomllib.loads(blocks["toml"])["project"]["entry-points"]
    ((group, named),) = points.items()
    ((name, module),) = named.items()
    package, _, file = module.partition(".")
    (tmp_path / package).mkdir()
    (tmp_path / package / f"{file}.py").write_text(blocks["python"])
    info = tmp_path / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = BackboneConfig(name=name)
    backbone = build_backbone(spec, tile_px=14, device="cpu")
    assert dict(backbone.identity) == backbone_identity(spec)
    assert backbone.embed(np.zeros((2, 14, 14, 3), np.uint8)).shape == (2, backbone.feature_dim)
    assert any(f"backbone.name={name}" in fence.text for fence in fences_of(GUIDE))
