"""A small field season with predictions of three models, made from a seed."""

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.config import DataConfig

DATA = DataConfig()
MODEL_ERROR = {"constant": None, "ridge": 4.0, "mil": 2.0}


@pytest.fixture
def data():
    return DATA


@pytest.fixture
def labels():
    chance = np.random.default_rng(3)
    components = chance.gamma(2, [12, 4, 3], (24, 3))  # green, dead, clover
    masses = components @ np.array(DATA.component_matrix()).T
    state = np.repeat(["NSW", "Tas", "WA"], 8)
    date = np.tile(np.repeat(["2015-09-04", "2015-10-01"], 4), 3)
    return pd.DataFrame(
        {
            "image_id": [f"ID{number:03}" for number in range(24)],
            **dict(zip(DATA.target_names, masses.T, strict=True)),
            "State": state,
            "Sampling_Date": date,
            "group": [f"State={s}|Sampling_Date={d}" for s, d in zip(state, date, strict=True)],
        }
    ).astype({"image_id": "str", "group": "str"})


@pytest.fixture
def assignment(labels):
    folds = {group: number % 3 for number, group in enumerate(labels["group"].unique())}
    return pd.DataFrame(
        {"image_id": labels["image_id"], "fold": labels["group"].map(folds).astype("int64")}
    )


@pytest.fixture
def folds(labels, assignment):
    """One tidy frame a fold, by rows: what the folds' models would have said."""
    chance = np.random.default_rng(4)
    parts = []
    for fold in range(3):
        rows = []
        for _, image in labels[assignment["fold"] == fold].iterrows():
            for model, error in MODEL_ERROR.items():
                for target in DATA.target_names:
                    guess = 20.0 if error is None else image[target] + chance.normal(0, error)
                    rows.append(
                        {
                            "image_id": image["image_id"],
                            "fold": fold,
                            "group": image["group"],
                            "target": target,
                            "y_true": image[target],
                            "y_pred": guess,
                            "y_lower": guess - 3,
                            "y_upper": guess + 3,
                            "model": model,
                            "y_lower_50": guess - 1,
                            "y_upper_50": guess + 1,
                            "y_lower_80": guess - 2,
                            "y_upper_80": guess + 2,
                            "p_zero": 0.25,
                            "crps": abs(guess - image[target]) / 2,
                            "pit": chance.random(),
                            "ood_percentile": float(4 * int(image["image_id"][2:])),
                        }
                    )
        parts.append(pd.DataFrame(rows))
    return parts
