import json

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.errors import UnlabelledBagError
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
