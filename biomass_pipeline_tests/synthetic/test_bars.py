"""What may be learned from the photos: texture and colour together, never the mean colour alone."""

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold

from biomass_pipeline.config import BackboneConfig, DataConfig
from biomass_pipeline.features import build_backbone
from biomass_pipeline.scoring import weighted_r2
from biomass_pipeline.synthetic import SyntheticSpec, write_photos

SPEC = SyntheticSpec(height_px=300, width_px=600)
TILE_PX = 150
DATA = DataConfig()

pytestmark = pytest.mark.slow


class Survey:
    """The photos' features and labels, and the scores that ridge regression reaches on them."""

    def __init__(self, folder, spec):
        write_photos(folder, spec=spec)
        labels = pd.read_csv(folder / "train.csv")
        wide = labels.pivot_table(index="image_path", columns="target_name", values="target")
        first = labels.drop_duplicates("image_path").set_index("image_path").loc[wide.index]
        self.groups = (first["State"] + first["Sampling_Date"]).to_numpy()
        self.masses = wide[list(DATA.target_names)].to_numpy()
        photos = [cv2.imread(str(folder / path), cv2.IMREAD_COLOR_RGB) for path in wide.index]
        self.means = np.stack([photo.mean(axis=(0, 1)) for photo in photos])
        backbone = build_backbone(BackboneConfig(), tile_px=TILE_PX)
        self.features = np.stack([pooled(backbone, photo) for photo in photos])

    def score(self, features, groups):
        guess = np.zeros_like(self.masses)
        for train, test in FOLDS.split(features, groups=groups):
            mean, sd = features[train].mean(axis=0), features[train].std(axis=0) + 1e-9
            scaled = np.clip((features - mean) / sd, -4, 4)
            ridge = RidgeCV(alphas=10.0 ** np.arange(-1, 6))
            guess[test] = ridge.fit(scaled[train], self.masses[train]).predict(scaled[test])
        return weighted_r2(
            self.masses, guess, targets=DATA.target_names, weights=DATA.target_weights
        )


def pooled(backbone, photo):
    starts = [
        (row, column)
        for row in range(0, SPEC.height_px, TILE_PX)
        for column in range(0, SPEC.width_px, TILE_PX)
    ]
    tiles = np.stack([photo[r : r + TILE_PX, c : c + TILE_PX] for r, c in starts])
    rows = backbone.embed(tiles)
    return np.concatenate([rows.mean(axis=0), rows.max(axis=0)])


FOLDS = GroupKFold(5, shuffle=True, random_state=0)


def test_texture_tells_the_mass_and_mean_colour_does_not(tmp_path):
    survey = Survey(tmp_path, SPEC)
    assert survey.score(survey.features, survey.groups) >= 0.85
    assert survey.score(survey.means, survey.groups) < 0.70


def test_the_control_rewards_recognising_the_session_under_random_folds_only(tmp_path):
    spec = SyntheticSpec(height_px=300, width_px=600, n_sessions=12, cue="session_colour")
    survey = Survey(tmp_path, spec)
    floor = survey.score(np.zeros((len(survey.masses), 1)), survey.groups)
    assert survey.score(survey.features, np.arange(SPEC.n_photos)) > 0.6
    assert survey.score(survey.features, survey.groups) < floor + 0.15
