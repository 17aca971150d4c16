"""The card says what a model predicts, from what and how well; where nothing is known, that."""

import pytest

from biomass_pipeline.config import BackboneConfig
from biomass_pipeline.features.naming import DINOV3_LICENCE, DINOV3_TERMS
from biomass_pipeline.inference.bundle import RANDOM_NOTE, Bundle
from biomass_pipeline.inference.model_card import licence, model_card


def score(r2):
    targets = {
        name: {"r2": r2, "rmse": 1.25, "bias": -0.5, "coverage": None}
        for name in ("green_g", "dead_g", "total_g", "cover")
    }
    return {"weighted_r2": r2, "weighted_r2_interval": [r2 - 0.1, r2 + 0.1], "targets": targets}


METRICS = {
    "headline_model": "auto",
    "n_images": 18,
    "n_groups": 6,
    "interval_level": 0.9,
    "bootstrap_level": 0.95,
    "protocol": {"floor": "constant"},
    "models": {"constant": score(-0.05), "auto": score(0.712)},
}


@pytest.fixture(scope="module")
def card(meadow):
    return model_card(meadow.bundle, METRICS)


def test_targets_have_their_units_and_sums(card):
    assert "| green_g | g | 1 | a component |" in card
    assert "| total_g | g | 2 | green_g + dead_g |" in card
    assert "| cover | share | 1 | a component |" in card
    assert "shows 0.5 m2 of ground" in card


def test_data_and_groups_are_counted(card):
    assert "18 weighed photos in 6 groups of date" in card
    # 2 + n and 1 + n % 3 of n = 0..17.
    assert "| green_g | 10.5 |" in card
    assert "| dead_g | 2 | 0.8165 | 1 | 3 | 0 |" in card


def test_scores_stand_beside_the_floor(card):
    assert "| auto | 0.712 | 0.612 to 0.812 |" in card
    assert "| constant | -0.050 |" in card
    assert "`constant` is the floor" in card
    assert "| green_g | 1.250 g | -0.500 g | - |" in card


def test_without_scores_it_says_so(meadow):
    card = model_card(meadow.bundle, None)
    assert "No scores" in card
    assert "Nothing is known" in card
    assert "R2" not in card


def test_fingerprints_are_those_of_the_model(card, meadow):
    for text in (
        meadow.bundle.fingerprint,
        meadow.bundle.extraction,
        *(fold.network.fingerprint for fold in meadow.bundle.ensemble.folds),
    ):
        assert f"| {text} |" in card


def test_use_and_limits_are_there(card):
    for heading in ("## Intended use", "## Limits", "## Backbone and licence"):
        assert heading in card
    assert "labels of the training photos" in card
    assert "Licence of the backbone: this package's." in card


def test_the_same_model_gives_the_same_card(meadow, card):
    assert model_card(meadow.bundle, METRICS) == card


def test_random_weights_stand_at_the_top(meadow):
    noted = Bundle(
        meadow.bundle.ensemble, meadow.bundle.config, meadow.bundle.identity, notes=(RANDOM_NOTE,)
    )
    assert model_card(noted, None).splitlines()[2] == f"**{RANDOM_NOTE}**"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("timm:vit_large_patch14_reg4_dinov2", "Apache-2.0"),
        ("timm:vit_small_patch16_dinov3.lvd1689m", f"{DINOV3_LICENCE}; {DINOV3_TERMS}"),
        ("timm:resnet18", "not known here"),
        ("somebody-elses", "the package's that it comes from"),
        ("colour-texture", "this package's"),
    ],
)
def test_the_licence_is_that_of_the_weights(meadow, name, words):
    assert words in licence(Bundle(meadow.bundle.ensemble, meadow.bundle.config, {"name": name}))


def test_a_checkpoint_of_a_file_is_to_be_given(meadow):
    config = meadow.bundle.config.model_copy(
        update={"backbone": BackboneConfig(name="timm:resnet18", checkpoint="here/mine.pth")}
    )
    bundle = Bundle(
        meadow.bundle.ensemble, config, {"name": "timm:resnet18", "weights_sha256": "abc"}
    )
    card = model_card(bundle, None)
    assert "--weights FILE" in card
    assert "SHA-256 `abc`; others are refused" in card
