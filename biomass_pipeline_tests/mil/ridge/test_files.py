import subprocess
import sys

import numpy as np
import pytest

from biomass_pipeline.config import DataConfig, RidgeConfig, TrainingConfig
from biomass_pipeline.errors import (
    MissingCheckpointError,
    StaleCheckpointError,
    UnreadableCheckpointError,
)
from biomass_pipeline.mil.ridge import (
    fit_ridge,
    load_ridge,
    novelty_percentile,
    predict_points,
    ridge_exists,
    save_ridge,
)
from biomass_pipeline.mil.targets import Recipe

READS = """
import sys
from pathlib import Path
from biomass_pipeline.mil.ridge import load_ridge
load_ridge(Path(sys.argv[1]), "abc")
print([name for name in ("torch", "sklearn") if name in sys.modules])
"""


@pytest.fixture(scope="module", params=["linear", "rbf", "gaussian_process"])
def model(request, five_field):
    training = TrainingConfig(
        ridge=RidgeConfig(kernel=request.param, transforms=("raw", "sqrt"), alphas=(0.01, 1.0))
    )
    recipe = Recipe(DataConfig(), training, fingerprint="abc")
    return fit_ridge(five_field.features, five_field.labels, recipe=recipe)


def test_what_was_saved_is_what_is_read(five_field, model, tmp_path):
    path = save_ridge(model, tmp_path / "fold_0")
    assert [p.name for p in path.parent.iterdir()] == ["ridge.npz"]
    read, features = load_ridge(tmp_path / "fold_0", "abc"), five_field.features
    assert (predict_points(read, features) == predict_points(model, features)).all()
    assert (novelty_percentile(read, features) == novelty_percentile(model, features)).all()
    assert (read.inner.components == model.inner.components).all()
    assert tuple(read.inner.image_ids) == five_field.features.image_ids
    assert [(m.transform, m.relevance) for m in read.members] == [
        (m.transform, m.relevance) for m in model.members
    ]
    assert ridge_exists(tmp_path / "fold_0", "abc")


def test_no_array_is_an_object(model, tmp_path):
    with np.load(save_ridge(model, tmp_path), allow_pickle=False) as content:
        assert all(content[name].dtype.kind in "fU" for name in content.files)


def test_it_is_read_without_torch_and_scikit_learn(five_field, tmp_path):
    training = TrainingConfig(ridge=RidgeConfig(kernel="rbf", alphas=(1.0,)))
    recipe = Recipe(DataConfig(), training, fingerprint="abc")
    save_ridge(fit_ridge(five_field.features, five_field.labels, recipe=recipe), tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", READS, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_stranger_is_refused(model, tmp_path):
    save_ridge(model, tmp_path)
    with pytest.raises(StaleCheckpointError, match="under fingerprint abc, but xyz was asked"):
        load_ridge(tmp_path, "xyz")
    assert not ridge_exists(tmp_path, "xyz")


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(MissingCheckpointError, match=r"no trained fold at .*ridge\.npz"):
        load_ridge(tmp_path, "abc")


def test_a_damaged_model_is_named(model, tmp_path):
    path = save_ridge(model, tmp_path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UnreadableCheckpointError, match=r"ridge\.npz cannot be read"):
        load_ridge(tmp_path, "abc")


def test_a_pickle_in_disguise_is_not_run(tmp_path):
    np.savez(tmp_path / "ridge.npz", facts=np.array([print], dtype=object))
    with pytest.raises(UnreadableCheckpointError, match="ValueError"):
        load_ridge(tmp_path, "abc")


def test_a_file_of_an_earlier_layout_is_unreadable_not_a_crash(tmp_path):
    np.savez(tmp_path / "ridge.npz", facts=np.array('{"fingerprint": "abc"}'), mean=np.zeros(3))
    with pytest.raises(UnreadableCheckpointError, match="KeyError"):
        load_ridge(tmp_path, "abc")
