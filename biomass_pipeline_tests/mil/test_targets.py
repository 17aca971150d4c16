import json

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.errors import UnknownCovariateError, UnlabelledBagError
from biomass_pipeline.mil.targets import TargetSpec, align_labels

CSIRO = TargetSpec.from_config(DataConfig())


def test_sums_follow_from_components_by_name():
    green, dead, clover = 3.0, 5.0, 7.0
    values = dict(zip(CSIRO.components, (green, dead, clover), strict=True))
    assert set(values) == {"Dry_Green_g", "Dry_Dead_g", "Dry_Clover_g"}
    components = np.array([[values[name] for name in CSIRO.components]])
    named = dict(zip(CSIRO.names, CSIRO.sums(components)[0], strict=True))
    assert named["Dry_Total_g"] == pytest.approx(named["GDM_g"] + named["Dry_Dead_g"], abs=1e-12)
    assert sum(named[name] for name in CSIRO.components) == pytest.approx(15.0)


def test_targets_without_identities_stay_independent():
    data = DataConfig(targets=(TargetConfig(name="a"), TargetConfig(name="b")), identities={})
    spec = TargetSpec.from_config(data)
    assert spec.components == spec.names
    assert np.array_equal(np.array(spec.matrix), np.eye(2))


def test_independent_targets_are_each_a_component():
    spec = CSIRO.independent()
    assert spec.components == spec.names == CSIRO.names
    y = np.arange(10.0).reshape(2, 5)
    assert np.array_equal(spec.sums(y), y)
    assert (spec.weights, spec.detection_limits) == (CSIRO.weights, CSIRO.detection_limits)
    assert spec.independent() == spec


def test_a_limit_is_that_of_its_own_target():
    """Components may stand anywhere among the targets: limits are looked up by target."""
    data = DataConfig(
        targets=(
            TargetConfig(name="sum", zero_below=9.0),
            TargetConfig(name="a", zero_below=1.0),
            TargetConfig(name="b", zero_below=2.0),
        ),
        identities={"sum": ("a", "b")},
    )
    spec = TargetSpec.from_config(data)
    assert spec.present(np.array([[3.0, 1.5, 1.5]])).tolist() == [[True, False]]
    assert spec.independent().present(np.array([[3.0, 1.5, 1.5]])).tolist() == [
        [False, True, False]
    ]


def test_a_spec_survives_json():
    assert TargetSpec.from_plain(json.loads(json.dumps(CSIRO.to_plain()))) == CSIRO


def test_weights_are_shares():
    assert sum(CSIRO.weights) == pytest.approx(1)


def test_zeros_are_found_in_the_targets_own_unit():
    column = CSIRO.names.index("Dry_Clover_g")
    y = np.full((3, 5), 4.0)
    y[:, column] = [0.049, 0.05, 0.0]
    present = CSIRO.present(y)[:, CSIRO.components.index("Dry_Clover_g")]
    assert present.tolist() == [False, True, False]


def test_without_a_detection_limit_only_zero_is_absent(one_target):
    spec = TargetSpec.from_config(one_target)
    assert spec.present(np.array([[0.0], [1e-6]])).ravel().tolist() == [False, True]


def test_labels_are_brought_into_the_order_of_the_bags():
    labels = pd.DataFrame(
        {"image_id": ["b", "x", "a"], "group": ["g1", "g2", "g3"], "m": [1.0, 2.0, 3.0]}
    )
    aligned = align_labels(labels, ["a", "b"], names=["m"])
    assert aligned.groups.tolist() == ["g3", "g1"]
    assert aligned.y.ravel().tolist() == [3.0, 1.0]
    assert aligned.select(np.array([1])).image_ids == ("b",)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_bag_without_a_finite_label_is_named(value):
    labels = pd.DataFrame({"image_id": ["a", "b"], "group": ["g", "g"], "m": [1.0, value]})
    with pytest.raises(UnlabelledBagError, match=r"2 photo\(s\).*no finite label.*: b, c"):
        align_labels(labels, ["a", "b", "c"], names=["m"])


LABELS = pd.DataFrame(
    {
        "image_id": ["a", "b"],
        "group": ["g", "h"],
        "m": [1.0, 2.0],
        "height_cm": [5.0, np.nan],
        "date": ["2024-01-01", None],
    }
)


def test_covariates_come_in_the_order_of_the_bags_and_may_be_missing():
    aligned = align_labels(LABELS, ["b", "a"], names=["m"], covariates=["height_cm"])
    assert np.array_equal(aligned.covariates, [[np.nan], [5.0]], equal_nan=True)
    assert aligned.select(np.array([1])).covariates.tolist() == [[5.0]]
    assert align_labels(LABELS, ["a"], names=["m"]).covariates.shape == (1, 0)


@pytest.mark.parametrize(
    ("covariates", "date_column", "words"),
    [(["ndvi"], None, "ndvi"), (["season"], None, "season"), (["season"], "day", "day")],
)
def test_a_covariate_that_is_no_column_is_refused_in_training(covariates, date_column, words):
    with pytest.raises(UnknownCovariateError, match=words):
        align_labels(LABELS, ["a"], names=["m"], covariates=covariates, date_column=date_column)
