from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.config import DataConfig, SearchConfig, TrainingConfig, TuningConfig
from biomass_pipeline.errors import PooledPredictionsError
from biomass_pipeline.mil.tuning.nested import OuterFold, nested_predictions, nested_score
from biomass_pipeline.mil.tuning.result import StudyResult
from biomass_pipeline.mil.tuning.search import Search

TINY = TrainingConfig(hidden_dim=4, epochs=2, n_seeds=1, learning_rate=1e-2)
SEARCH = Search(
    DataConfig(),
    TINY,
    TuningConfig(space={"learning_rate": SearchConfig(low=1e-4, high=1e-1)}),
    extraction="e",
)


def found(**best):
    return StudyResult("fold_0-1f2e", pd.DataFrame(), best, 0.5, {}, "")


@pytest.fixture
def fold(make_field):
    known, held = make_field(DataConfig(), 24), make_field(DataConfig(), 6, seed=1, name="held")
    labels = pd.concat([known.labels, held.labels], ignore_index=True)
    return OuterFold(known.features, held.features, labels)


def test_a_fold_is_predicted_by_tuned_and_by_configured_settings(fold, tmp_path):
    def predicted(**best):
        return nested_predictions(
            fold, found(**best), search=SEARCH, folder=lambda mark: tmp_path / mark
        )

    other, same = predicted(learning_rate=0.05), predicted(learning_rate=1e-2)
    assert list(other) == ["image_id", "group", "target", "y_true", "tuned", "untuned"]
    assert list(other["image_id"].unique()) == list(fold.held_out.image_ids)
    assert not np.allclose(other["tuned"], other["untuned"])
    np.testing.assert_array_equal(same["tuned"], same["untuned"])
    # The configured networks are trained once.
    assert len([each for each in tmp_path.iterdir() if each.is_dir()]) == 2


def test_held_out_labels_are_read_for_the_score_only(fold, tmp_path):
    poisoned = fold.labels.copy()
    held = poisoned["image_id"].isin(fold.held_out.image_ids)
    poisoned.loc[held, list(DataConfig().target_names)] = 1e6
    clean, other = (
        nested_predictions(
            replace(fold, labels=labels),
            found(learning_rate=0.05),
            search=SEARCH,
            folder=lambda mark, name=name: tmp_path / name / mark,
        )
        for name, labels in (("clean", fold.labels), ("poisoned", poisoned))
    )
    np.testing.assert_array_equal(clean["tuned"], other["tuned"])
    np.testing.assert_array_equal(clean["untuned"], other["untuned"])
    assert (other["y_true"] == 1e6).all()


def test_a_ridge_is_predicted_by_the_ridge(fold, tmp_path):
    search = Search(
        DataConfig(),
        TrainingConfig(model="ridge"),
        TuningConfig(space={"ridge.clip": SearchConfig(low=0.1, high=9)}),
        extraction="e",
    )
    predicted = nested_predictions(
        fold, found(**{"ridge.clip": 0.1}), search=search, folder=lambda mark: tmp_path / mark
    )
    assert not list(tmp_path.iterdir())
    assert not np.allclose(predicted["tuned"], predicted["untuned"])


def predictions(n_images, *, error, untuned_error, name="a", size=5.0):
    data, chance = DataConfig(), np.random.default_rng(0)
    y = chance.gamma(2.0, size, (n_images, len(data.targets)))
    return pd.DataFrame(
        {
            "image_id": np.repeat([f"{name}{i}" for i in range(n_images)], len(data.targets)),
            "target": list(data.target_names) * n_images,
            "y_true": y.ravel(),
            "tuned": (y + error).ravel(),
            "untuned": (y + untuned_error).ravel(),
        }
    )


def test_folds_are_pooled_before_they_are_scored():
    perfect = predictions(5, error=0, untuned_error=1, name="a")
    poor = predictions(5, error=2, untuned_error=1, name="b", size=50.0)
    score = nested_score([perfect, poor], data=DataConfig())
    assert nested_score([perfect], data=DataConfig()).r2 == 1
    assert score.difference == pytest.approx(score.r2 - score.untuned_r2)
    # Half of the photos off by 2 is twice the square of all of them off by 1.
    assert 1 - score.r2 == pytest.approx(2 * (1 - score.untuned_r2))
    assert score.n_images == 10


def test_the_order_of_rows_is_nothing_to_the_score():
    one = predictions(8, error=1, untuned_error=2)
    shuffled = one.sample(frac=1, random_state=0)
    data = DataConfig()
    assert nested_score([one], data=data).r2 == pytest.approx(
        nested_score([shuffled], data=data).r2
    )


@pytest.mark.parametrize("change", ["twice", "lacking"])
def test_photos_that_are_not_there_once_are_named(change):
    one = predictions(5, error=1, untuned_error=1)
    tables = [one, one[one["image_id"] == "a3"]] if change == "twice" else [one.drop(index=16)]
    with pytest.raises(PooledPredictionsError, match="a3 is not there once"):
        nested_score(tables, data=DataConfig())
