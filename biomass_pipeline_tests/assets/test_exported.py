"""Trained from HDF5, WebDataset or LMDB, a fold's models are the same, byte for byte."""

from dataclasses import replace

import pandas as pd
import pytest

from biomass_pipeline.layout import Layout
from biomass_pipeline.store import ExportedFeatures, FeatureFolder, Parcel, export_folds
from biomass_pipeline_tests.assets.conftest import Checkpoints, build_stand

FOLDS = range(3)


@pytest.fixture(scope="module")
def hdf5(tmp_path_factory):
    """A stand with its features on disk."""
    folder = tmp_path_factory.mktemp("hdf5")
    stand = replace(build_stand(folder), features=FeatureFolder(Layout(folder)))
    stand.caches(*FOLDS)
    return stand


def models_of(stand):
    """What the stand's models are on disk, and what they predict."""
    caches = stand.caches(1, 2)
    files = {}
    for name in ("mil_checkpoint", "ridge_baseline"):
        folder = stand.model(name, 0, caches).folder
        files |= {
            path.name: path.read_bytes()
            for path in sorted(folder.iterdir())
            if path.suffix in {".ckpt", ".safetensors", ".npz"}
        }
    return files, stand.predictions(0).value


@pytest.fixture(scope="module")
def expected(hdf5):
    return models_of(hdf5)


@pytest.mark.parametrize("form", ["webdataset", "lmdb"])
def test_models_and_predictions_are_the_same_bit_for_bit(hdf5, expected, tmp_path, form):
    parcels = (Parcel.of(fold, hdf5.cache(fold)) for fold in FOLDS)
    export_folds(parcels, tmp_path / "out", form=form)
    embedded = hdf5.backbone.n_tiles
    beside = FeatureFolder(Layout(tmp_path))
    stand = replace(
        hdf5,
        features=ExportedFeatures(tmp_path / "out", beside),
        checkpoints=Checkpoints(tmp_path / "models"),
    )
    files, predictions = models_of(stand)
    assert len(files) >= 2
    assert files == expected[0]
    pd.testing.assert_frame_equal(predictions, expected[1], check_exact=True)
    assert hdf5.backbone.n_tiles == embedded
    assert not list(tmp_path.rglob("*.h5"))
