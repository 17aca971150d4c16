"""What is attached is found wherever Kaggle mounts it; what is missing or double is named."""

import pytest

from biomass_pipeline.errors import AttachedInputError
from biomass_pipeline.kaggle.tree import Tree


def put(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("place", ["csiro-biomass", "competitions/csiro-biomass"])
def test_the_competition_is_the_folder_with_both_tables(tree, place):
    put(tree.input / "notes" / "train.csv")
    put(tree.input / "other" / "test.csv")
    put(tree.input / place / "train.csv")
    put(tree.input / place / "test.csv")
    assert tree.competition() == tree.input / place


def test_no_competition_or_two_are_named(tree):
    with pytest.raises(AttachedInputError, match=r"train.csv and test.csv .* found: none"):
        tree.competition()
    for name in ("a", "b"):
        put(tree.input / name / "train.csv")
        put(tree.input / name / "test.csv")
    with pytest.raises(AttachedInputError, match=f"found: {tree.input / 'a'}, {tree.input / 'b'}"):
        tree.competition()


def test_caches_are_told_from_other_files_by_their_names(tree):
    expected = [
        put(tree.input / "x" / "features" / "abc" / "fold_0.h5"),
        put(tree.input / "x" / "inference.h5"),
    ]
    put(tree.input / "x" / "keras.h5")
    put(tree.input / "x" / "fold_0.h5.partial")
    assert tree.caches() == expected


def test_weights_are_the_only_ones_or_those_of_a_name(tree):
    assert tree.weights(None) is None
    one = put(tree.input / "w" / "vit.pth")
    assert tree.weights(None) == one
    put(tree.input / "w" / "other.safetensors")
    assert tree.weights("vit.pth") == one
    with pytest.raises(AttachedInputError, match=r"or name one with `backbone\.checkpoint`"):
        tree.weights(None)
    with pytest.raises(AttachedInputError, match=r"one file large.pth .* found: none"):
        tree.weights("large.pth")


def test_on_kaggle_the_root_is_kaggles():
    assert str(Tree().working) == "/kaggle/working"
