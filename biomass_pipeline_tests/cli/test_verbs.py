"""Laws over every verb: examples that parse, a panel, JSON, and help that is whole at any width."""

import re

import pytest
import typer

from biomass_pipeline.cli.app import app
from biomass_pipeline.cli.verbs import PANELS, command_of, examples, leaves, read_examples

ROOT = command_of(app)
VERBS = {" ".join(path): command for path, command in leaves(ROOT)}
GROUPS = [path.split()[0] for path in VERBS if " " in path]
EVERY = {
    "": ROOT,
    **{name: ROOT.commands[name] for name in dict.fromkeys(GROUPS)},
    **VERBS,
}
HOW = (
    "Register it with `epilog=examples((command line, what for), ...)` and `rich_help_panel=` one "
    "of cli.verbs.PANELS."
)


@pytest.mark.parametrize("name", EVERY)
def test_every_verb_shows_examples(name):
    assert read_examples(EVERY[name].epilog), f"`biomass {name}` has no examples. {HOW}"


@pytest.mark.parametrize("name", EVERY)
def test_examples_are_commands_that_parse(name):
    for example in read_examples(EVERY[name].epilog):
        program, *words = example.words
        assert program == "biomass", f"{example.line} does not start with biomass"
        if words:
            parse(words, of=name, line=example.line)


def parse(words, *, of, line):
    """Walk to the verb that the words name and let it read its options, without running it."""
    command, context = ROOT, typer.Context(ROOT, info_name="biomass")
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command = command.commands[words[0]]
        context = typer.Context(command, info_name=words[0], parent=context)
        words = words[1:]
    path = context.command_path.removeprefix("biomass").strip()
    if of in VERBS:
        assert path == of, f"an example of `biomass {of}` calls `biomass {path}`: {line}"
    if words != ["--help"]:
        command.make_context(path, words, parent=context.parent)


def test_an_example_of_an_unknown_option_would_be_caught():
    with pytest.raises(Exception, match="No such option"):
        parse(["run", "--fold", "0", "--bogus"], of="run", line="")


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_a_panel(name):
    command = ROOT.commands[name.split()[0]]
    assert command.rich_help_panel in PANELS, f"`biomass {name}` is in no panel. {HOW}"


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_speaks_to_programs(name):
    options = {option for parameter in VERBS[name].params for option in parameter.opts}
    assert "--json" in options, f"`biomass {name}` has no --json: add `as_json: JsonOption`"


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("name", EVERY)
def test_help_is_whole_and_inside_its_terminal(biomass, monkeypatch, name, width):
    monkeypatch.setenv("COLUMNS", str(width))
    shown = biomass(*name.split(), "--help").out
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown
    words = re.sub(r"[│╭╮╰╯─\s]+", " ", shown)
    for parameter in EVERY[name].params:
        record = parameter.get_help_record(typer.Context(EVERY[name]))
        assert " ".join(record[1].split()) in words
    for example in read_examples(EVERY[name].epilog):
        assert " ".join(example.line.split()) in words


def test_the_panels_come_in_their_order(biomass):
    shown = biomass("--help").out
    assert sorted(PANELS, key=lambda panel: shown.index(f"─ {panel} ─")) == list(PANELS)


def test_examples_are_read_as_they_were_written():
    pairs = (("biomass run", "what is stale"), ("biomass run --fold 1", "one fold"))
    assert [(one.line, one.what) for one in read_examples(examples(*pairs))] == list(pairs)
    assert read_examples("Something else.") == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stats"], "Did you mean 'status'"),
        (["cache", "verif"], "Did you mean 'verify'"),
        (["run", "--selec", "x"], "Did you mean --select?"),
        (["explain", "bagg"], "Did you mean `bag`?"),
    ],
)
def test_a_misspelt_word_is_told_with_the_right_one(biomass, words, said):
    ended = biomass(*words)
    assert ended.code == 2
    assert said in " ".join(re.sub("[│]", " ", ended.err).split())


def test_no_colour_is_no_colour(biomass, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[36m" in biomass("--help").out
    monkeypatch.setenv("NO_COLOR", "1")
    shown = biomass("--help").out + biomass("explain", "bag").out + biomass().out
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", shown)


def test_ctrl_c_ends_any_verb_with_how_to_go_on(biomass, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("biomass_pipeline.cli.explaining.explain_word", interrupted)
    ended = biomass("explain")
    assert ended.code == 130
    assert "`biomass explain` begins again with what is there" in ended.flat
