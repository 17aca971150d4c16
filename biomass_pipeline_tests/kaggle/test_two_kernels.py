"""From an export to a submission: both scripts in a tree laid out as Kaggle's, with the wheel only.

The hidden test set takes the public one's place between the kernels, as at a submission.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from biomass_pipeline.config import DataConfig
from biomass_pipeline.kaggle.folders import Account, Export, write_folders
from biomass_pipeline_tests.kaggle.grass import CONFIG

pytestmark = pytest.mark.slow

IMAGE = Path(__file__).with_name("image.py")


def without_network():
    """A network of its own, with nothing in it, where the system allows that."""
    unshare = shutil.which("unshare")
    words = [unshare, "--map-root-user", "--net"]
    if (
        unshare
        and subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0
    ):
        return words
    return []


def run_kernel(script, tree):
    """What a kernel printed; it must end well."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    environment |= {"BIOMASS_KAGGLE_ROOT": str(tree.root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*without_network(), sys.executable, "-I", str(IMAGE), str(script)],
        cwd=tree.working,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    expected, took = re.findall(r"peak memory (\d+\.\d) GB", done.stdout)
    assert float(took) <= float(expected)
    return done.stdout


def check_submission(found, asked):
    """Its rows in the order that is asked for, five a photo, numbers that photos can have."""
    assert list(found) == ["sample_id", "target"]
    assert found["sample_id"].tolist() == asked
    assert len(found) == 30
    assert np.isfinite(found["target"]).all()
    assert (found["target"] >= 0).all()
    parts = found["sample_id"].str.split("__")
    y = found.assign(photo=parts.str[0], name=parts.str[1])
    y = y.pivot_table(index="photo", columns="name", values="target")
    for total, addends in DataConfig().identities.items():
        np.testing.assert_allclose(y[total], y[list(addends)].sum(axis=1), atol=1e-6)
    assert y["Dry_Total_g"].nunique() == 6


def test_two_kernels_with_the_wheel_alone_make_a_submission_of_the_hidden_photos(
    competition, tree, tmp_path
):
    export = tmp_path / "export"
    write_folders(Export(Account("ann", "grass"), CONFIG), export)
    competition.attach(tree, hidden=False)
    shutil.copytree(export / "wheel", tree.input / "datasets" / "ann" / "grass-wheel")

    said = run_kernel(export / "extract" / "script.py", tree)
    here = f"from {tree.temp / 'packages' / 'biomass_pipeline'}"
    assert here in said
    assert "18 labelled photos, 1 to predict" in said
    assert "to embed: 19 photos, 38 tiles" in said
    assert "unlabelled photos: 1 photo embedded, 0 from caches" in said
    caches = sorted(path.name for path in tree.working.rglob("*.h5"))
    assert caches == ["fold_0.h5", "fold_1.h5", "inference.h5"]

    # The first kernel's output is attached, everything else of it is gone.
    tree.working.rename(tree.input / "grass-features")
    tree.working.mkdir()
    shutil.rmtree(tree.temp)
    place = competition.attach(tree, hidden=True)
    said = run_kernel(export / "submit" / "script.py", tree)
    assert here in said
    # Photos with features are not embedded again; the hidden ones are.
    assert "to embed: 5 photos, 10 tiles" in said
    assert "unlabelled photos: 5 photos embedded, 1 from caches" in said
    assert len(re.findall(r"fold \d: 0 photos embedded", said)) == 2
    asked = pd.read_csv(place / "test.csv", dtype=str)["sample_id"].tolist()
    check_submission(pd.read_csv(tree.working / "submission.csv"), asked)
    oof = pd.read_parquet(tree.working / "oof_predictions.parquet")
    assert oof["image_id"].nunique() == 18
