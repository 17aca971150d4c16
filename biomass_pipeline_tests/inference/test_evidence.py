"""What tiles give adds up to what the networks predict, target by target."""

from dataclasses import replace

import numpy as np
import pytest

from biomass_pipeline.config import BackboneConfig, DataConfig, EvaluationConfig, TilingConfig
from biomass_pipeline.features import cells_of
from biomass_pipeline.inference.ensemble import Ensemble, predict_ensemble
from biomass_pipeline.inference.evidence import (
    Claim,
    Evidence,
    ensemble_evidence,
    evidence_of,
    models_of,
)
from biomass_pipeline.mil.predictive import PredictionSpec
from biomass_pipeline.mil.targets import TargetSpec
from biomass_pipeline.store import FeatureSet
from biomass_pipeline_tests.inference.models import SMALL, untrained_fold

TILING = TilingConfig(tile_px=16, stride_px=16)
PLAIN = BackboneConfig(name="colour-texture")
SPEC = PredictionSpec.from_config(EvaluationConfig(n_draws=20))


def folds_of(field, **training):
    settings = SMALL.model_copy(update=training)
    return tuple(untrained_fold(field, settings, seed=seed) for seed in (0, 1))


@pytest.mark.parametrize(
    ("training", "additive"),
    [
        ({"aggregator": "additive_density"}, True),
        ({"aggregator": "gated_attention"}, False),
        ({"aggregator": "additive_density", "head": "independent"}, True),
    ],
    ids=["additive", "attention", "independent"],
)
def test_tiles_add_up_to_the_ensembles_own_prediction(field, training, additive):
    ensemble = Ensemble(folds_of(field, **training), "mil")
    evidence = ensemble_evidence(ensemble, field.features, tiling=TILING, backbone=PLAIN)
    predicted = predict_ensemble(ensemble, field.features, spec=SPEC).predictive
    np.testing.assert_allclose(evidence.totals(), predicted.y, rtol=1e-4)
    assert evidence.additive is additive
    assert (evidence.components >= 0).all()
    assert evidence.image_ids == field.features.image_ids
    names = evidence.targets.names
    for photo in range(3):
        values = dict(zip(names, evidence.values(photo).T, strict=True))
        np.testing.assert_allclose(
            values["Dry_Total_g"], values["GDM_g"] + values["Dry_Dead_g"], rtol=1e-9
        )
        np.testing.assert_allclose(
            evidence.values(photo).sum(axis=0), evidence.totals()[photo], rtol=1e-9
        )


def test_boxes_are_the_tiles(field, fold):
    evidence = evidence_of([fold.network], field.features, tiling=TILING, backbone=PLAIN)
    np.testing.assert_array_equal(evidence.boxes[:, :2], field.features.coords)
    assert (evidence.boxes[:, 2:] == 16).all()
    np.testing.assert_array_equal(evidence.area_weight, field.features.area_weight)


def test_views_are_added_and_cells_stand_for_themselves(field, fold):
    """Two photos of one tile each: four views of four cells."""
    backbone = BackboneConfig(
        name="dinov2_vits14", tokens="grid:2", views="flips", view_rows="separate"
    )
    tiling = TilingConfig(tile_px=42, stride_px=42)
    assert cells_of(backbone, tile_px=42) == (0, 14, 42)
    corners = np.array([[0, 0], [0, 14], [14, 0], [14, 14]], np.int32)
    dim = field.features.feature_dim
    features = FeatureSet(
        features=np.random.default_rng(0).normal(size=(32, dim)).astype(np.float32),
        coords=np.tile(corners, (8, 1)),
        area_weight=np.full(32, 1 / 16, np.float32),
        image_ids=("one", "two"),
        image_sha256=("1" * 64, "2" * 64),
        offsets=np.array([0, 16, 32]),
    )
    evidence = evidence_of([fold.network], features, tiling=tiling, backbone=backbone)
    assert evidence.offsets.tolist() == [0, 4, 8]
    assert evidence.boxes[:4].tolist() == [
        [0, 0, 14, 14],
        [0, 14, 14, 28],
        [14, 0, 28, 14],
        [14, 14, 28, 28],
    ]
    assert evidence.area_weight.tolist() == [0.25] * 8
    plain = evidence_of([fold.network], features, tiling=TILING, backbone=PLAIN)
    np.testing.assert_allclose(evidence.totals(), plain.totals(), rtol=1e-9)
    second_cells = plain.components[[1, 5, 9, 13]].sum(axis=0)
    np.testing.assert_allclose(evidence.components[1], second_cells, rtol=1e-9)


def made_up():
    """A photo of two tiles, of which one component is nowhere, and one of one tile."""
    targets = TargetSpec.from_config(DataConfig())
    components = np.array([[1.0, 0.0, 2.0], [3.0, 0.0, 2.0], [5.0, 1.0, 0.0]])
    return Evidence(
        image_ids=("a", "b"),
        offsets=np.array([0, 2, 3]),
        boxes=np.zeros((3, 4), np.int64),
        area_weight=np.array([0.25, 0.75, 1.0]),
        components=components,
        targets=targets,
        additive=True,
    )


def test_scaled_evidence_adds_up_to_the_other_prediction():
    other = np.array([[8.0, 4.0, 1.0], [0.0, 2.0, 0.0]])
    found = made_up().scaled_to(other)
    np.testing.assert_allclose(found.totals(), found.targets.sums(other))
    # What was found keeps its places, what was not is spread evenly.
    np.testing.assert_allclose(found.components[:2], [[2.0, 1.0, 0.5], [6.0, 3.0, 0.5]])
    np.testing.assert_allclose(found.components[2], [0.0, 2.0, 0.0])


def test_who_predicts_is_named_once(fold):
    assert models_of(Ensemble((fold, fold), "ridge")) == ("ridge",)
    assert models_of(Ensemble((fold,), "mil")) == ("mil",)
    claim = Claim(1.0, 2.0, ("mil",))
    assert claim.exact
    assert not replace(claim, models=("mil", "ridge")).exact
