"""One fold at a glance: each model's score, and what each group came out as."""

import math

import pandas as pd
import pytest

from biomass_pipeline.config import DataConfig
from biomass_pipeline.evaluation import fold_scores, group_scores

DATA = DataConfig.model_validate(
    {
        "targets": [{"name": "leaf", "weight": 0.2}, {"name": "total", "weight": 0.8}],
        "identities": {},
    }
)


def table(**errors):
    """Two groups of two photos; each model is off by its error in everything."""
    return pd.DataFrame(
        [
            {
                "image_id": f"p{photo}",
                "group": f"g{photo // 2}",
                "target": target,
                "y_true": (1.0 + photo) * scale,
                "y_pred": (1.0 + photo) * scale + error,
                "model": model,
            }
            for model, error in errors.items()
            for photo in range(4)
            for target, scale in (("leaf", 1.0), ("total", 3.0))
        ]
    )


def test_the_right_answer_scores_one_and_errors_are_in_the_unit():
    found = fold_scores(table(right=0.0, off=2.0), data=DATA).set_index("model")
    assert list(found.index) == ["right", "off"]
    assert found.loc["right"].tolist() == [1.0, 0.0, 0.0]
    assert found.loc["off", ["RMSE leaf (g)", "RMSE total (g)"]].tolist() == [2.0, 2.0]
    assert found.loc["off", "R2"] < 1


def test_labels_without_spread_have_no_r2():
    alike = table(off=1.0).assign(y_true=5.0)
    assert math.isnan(fold_scores(alike, data=DATA)["R2"].item())


def test_groups_show_what_was_measured_and_predicted_of_the_heaviest_target():
    found = group_scores(table(off=2.0, other=0.0), data=DATA, model="off")
    assert found["group"].tolist() == ["g0", "g1"]
    assert found["photos"].tolist() == [2, 2]
    assert found["total measured (g)"].tolist() == [4.5, 10.5]
    assert found["predicted (g)"].tolist() == [6.5, 12.5]
    assert found["RMSE (g)"].tolist() == pytest.approx([2.0, 2.0])
