"""The glossary: one source, every name of a word finds it, and the page is current."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from biomass_pipeline.cli.glossary import glossary, look_up
from biomass_pipeline.errors import UnknownWordError

REPOSITORY = Path(__file__).parents[2]
WANTED = (
    "bag, tile, patch, fold, group, cache, fingerprint, backbone, aggregator, OOF, ZILN, "
    "conformal interval, out-of-domain percentile, constant floor, ridge, stack, auto, quarantine"
)


@pytest.mark.parametrize("word", WANTED.split(", "))
def test_the_words_of_the_project_are_in_it(word):
    assert look_up(word).meaning


def test_no_name_means_two_things():
    names = [name.lower() for entry in glossary() for name in (entry.word, *entry.also)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("entry", glossary(), ids=lambda entry: entry.word)
def test_an_entry_is_sentences_and_says_where_to_look(entry):
    assert entry.meaning.endswith(".")
    assert entry.meaning[0].isupper()
    assert entry.see


@pytest.mark.parametrize("asked", ["OOF", "oof", "Out-of-fold", "out_of_fold"])
def test_case_and_hyphens_do_not_matter(asked):
    assert look_up(asked).word == "out of fold"


def test_a_plural_is_its_word():
    assert look_up("tiles").word == "tile"


def test_an_unknown_word_names_the_nearest():
    with pytest.raises(UnknownWordError, match="Did you mean `fingerprint`"):
        look_up("fingerprin")
    with pytest.raises(UnknownWordError, match=r"has no `xyzzy`\. `biomass explain` lists"):
        look_up("xyzzy")


def test_a_word_is_explained_to_people_and_to_programs(biomass):
    told = biomass("explain", "conformal", "interval").out
    assert told.startswith("conformal interval\n")
    assert "  not: An interval of the score." in told
    assert biomass("explain", "bag", "--json").json["topic"] == "Photos and tiles"


def test_alone_it_lists_every_word(biomass):
    told = biomass("explain").out
    assert all(entry.word in told for entry in glossary())
    assert len(biomass("explain", "--json").json) == len(glossary())


@pytest.mark.parametrize("name", ["cli", "glossary"])
def test_the_page_is_what_the_program_says(name):
    spec = spec_from_file_location(f"{name}_page", REPOSITORY / "scripts" / f"{name}_page.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (REPOSITORY / "docs" / f"{name}.md").read_text(encoding="utf-8")
    assert written == module.page(), f"run: python scripts/{name}_page.py > docs/{name}.md"
