"""Mistyped labels and units are told; honest surveys are quiet."""

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.config import DataConfig, TargetConfig
from biomass_pipeline.evaluation import check_label_outliers

DATA = DataConfig(targets=(TargetConfig(name="mass_g"),), identities={})


def survey(seed=0, *, n_groups=10, per_group=12, sd=0.4):
    """Lognormal masses: sessions differ, and so do the photos of each."""
    chance = np.random.default_rng(seed)
    level = np.repeat(chance.normal(3.0, 0.4, n_groups), per_group)
    n = n_groups * per_group
    return pd.DataFrame(
        {
            "image_id": [f"p{number:03}" for number in range(n)],
            "group": np.repeat([f"g{number}" for number in range(n_groups)], per_group),
            "mass_g": np.exp(level + chance.normal(0, sd, n)),
        }
    )


def test_honest_surveys_are_quiet():
    quiet = [check_label_outliers(survey(seed), DATA).passed for seed in range(40)]
    assert sum(quiet) >= 39


def test_a_misplaced_decimal_point_is_named():
    table = survey()
    table.loc[17, "mass_g"] = table["mass_g"].median() * 12
    found = check_label_outliers(table, DATA)
    assert not found.passed
    assert found.sentence == (
        "1 labels are more than 8 robust sd from what is usual beside them: p017. To do: compare "
        "them with the field book."
    )
    assert found.table.iloc[0][["what", "group", "target"]].tolist() == ["p017", "g1", "mass_g"]
    assert found.table.iloc[0]["usual"] < found.table.iloc[0]["value"] / 8


def test_a_session_in_another_unit_is_named():
    table = survey()
    table.loc[table["group"] == "g4", "mass_g"] /= 1000
    found = check_label_outliers(table, DATA)
    assert not found.passed
    assert found.table["what"].tolist() == ["group g4"]


def test_zeros_are_measurements():
    table = survey(sd=0.2)
    table.loc[[5, 40, 41], "mass_g"] = 0.0
    assert check_label_outliers(table, DATA).passed


def test_labels_that_are_all_alike_but_one():
    table = survey().assign(mass_g=20.0)
    assert check_label_outliers(table, DATA).passed
    table.loc[5, "mass_g"] = 60.0
    assert check_label_outliers(table, DATA).table["what"].tolist() == ["p005"]


@pytest.mark.parametrize("n", [0, 1, 3])
def test_too_few_to_compare_pass(n):
    assert check_label_outliers(survey().iloc[:n], DATA).passed


def test_the_weight_of_the_unit_does_not_matter():
    table = survey()
    table.loc[17, "mass_g"] = table["mass_g"].median() * 12
    grams = check_label_outliers(table, DATA).table
    kilograms = DataConfig(targets=(TargetConfig(name="mass_g", unit="kg"),), identities={})
    other = check_label_outliers(table.assign(mass_g=table["mass_g"] / 1000), kilograms).table
    assert other["sds"].tolist() == pytest.approx(grams["sds"].tolist())
