"""What Tab offers: names that exist, and nothing else."""

import os
import subprocess
import sys

import pytest

from biomass_pipeline.cli.completing import (
    ASSETS,
    complete_assignment,
    complete_backbone,
    complete_selection,
    complete_word,
    keys_of,
)
from biomass_pipeline.config import Config
from biomass_pipeline.orchestration.jobs import STAGES


def test_the_assets_are_those_of_the_graph():
    assert sorted(ASSETS) == sorted(name for stage in STAGES.values() for name in stage)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("feat", ["feature_cache"]),
        ("+feat", ["+feature_cache"]),
        ("mil_checkpoint or feat", ["mil_checkpoint or feature_cache"]),
        ("tuning", ["tuning_study", "tuning"]),
        ("nothing", []),
    ],
)
def test_a_selection_is_completed_at_its_end(typed, offered):
    assert complete_selection(typed) == offered


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("training.epo", ["training.epochs="]),
        ("tiling.", ["tiling.tile_px=", "tiling.stride_px=", "tiling.border="]),
        ("tiling.border=", ["tiling.border=clamped", "tiling.border=even"]),
        ("backbone.compile=t", ["backbone.compile=true"]),
        ("training.epochs=", []),
        ("no.such=", []),
    ],
)
def test_an_assignment_is_completed_by_key_and_then_by_choice(typed, offered):
    assert complete_assignment(typed) == offered


def test_backbones_are_offered_by_name_and_as_a_value():
    assert "dinov2_vitl14_reg" in complete_backbone("dinov2_vitl")
    assert "backbone.name=colour-texture" in complete_assignment("backbone.name=colour")


def test_words_of_the_glossary_are_offered():
    assert complete_word("conf") == ["conformal interval"]


def test_every_key_of_the_configuration_is_known():
    keys = list(keys_of(Config))
    assert {"name", "training.epochs", "training.ridge.clip", "evaluation.n_draws"} <= set(keys)
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("biomass st", "status"), ("biomass cache v", "verify"), ("biomass run --sel", "--select")],
)
def test_a_shell_is_answered(typed, offered):
    done = subprocess.run(
        [sys.executable, "-c", "from biomass_pipeline.cli import main; main()"],
        env={
            **os.environ,
            "_BIOMASS_COMPLETE": "complete_bash",
            "COMP_WORDS": typed,
            "COMP_CWORD": str(len(typed.split()) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == [offered], done.stderr
