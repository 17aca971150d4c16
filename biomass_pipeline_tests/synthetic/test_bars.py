"""What may be learned from the photos: texture and colour together, never the mean colour alone."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold

from biomass_pipeline import mil
from biomass_pipeline.config import BackboneConfig, DataConfig, EvaluationConfig, TrainingConfig
from biomass_pipeline.evaluation.split_models import photos
from biomass_pipeline.features import build_backbone
from biomass_pipeline.mil.prediction import tile_evidence
from biomass_pipeline.scoring import weighted_r2
from biomass_pipeline.store.bags import FeatureSet
from biomass_pipeline.synthetic import COMPONENTS, SyntheticSpec, write_photos

SPEC = SyntheticSpec(height_px=300, width_px=600)
TILE_PX = 150
DATA = DataConfig()
STARTS = [
    (row, column)
    for row in range(0, SPEC.height_px, TILE_PX)
    for column in range(0, SPEC.width_px, TILE_PX)
]
PLACE = ["image_id", "row_px", "col_px"]

pytestmark = pytest.mark.slow


class Survey:
    """The photos' features and labels, and the scores that ridge regression reaches on them."""

    def __init__(self, folder, spec):
        write_photos(folder, spec=spec)
        self.folder = folder
        labels = pd.read_csv(folder / "train.csv")
        wide = labels.pivot_table(index="image_path", columns="target_name", values="target")
        first = labels.drop_duplicates("image_path").set_index("image_path").loc[wide.index]
        self.image_ids = tuple(Path(path).stem for path in wide.index)
        self.groups = (first["State"] + first["Sampling_Date"]).to_numpy()
        self.masses = wide[list(DATA.target_names)].to_numpy()
        pictures = [cv2.imread(str(folder / path), cv2.IMREAD_COLOR_RGB) for path in wide.index]
        self.means = np.stack([picture.mean(axis=(0, 1)) for picture in pictures])
        backbone = build_backbone(BackboneConfig(), tile_px=TILE_PX)
        self.tiles = np.stack([backbone.embed(cut(picture)) for picture in pictures])
        self.features = np.concatenate([self.tiles.mean(axis=1), self.tiles.max(axis=1)], axis=1)

    def score(self, features, groups):
        guess = np.zeros_like(self.masses)
        for train, test in FOLDS.split(features, groups=groups):
            mean, sd = features[train].mean(axis=0), features[train].std(axis=0) + 1e-9
            scaled = np.clip((features - mean) / sd, -4, 4)
            ridge = RidgeCV(alphas=10.0 ** np.arange(-1, 6))
            guess[test] = ridge.fit(scaled[train], self.masses[train]).predict(scaled[test])
        return self.r2(guess)

    def r2(self, guess):
        return weighted_r2(
            self.masses, guess, targets=DATA.target_names, weights=DATA.target_weights
        )

    def bags(self):
        """The tiles as the cache holds them."""
        n_photos, n_tiles, width = self.tiles.shape
        return FeatureSet(
            features=self.tiles.reshape(-1, width).astype(np.float32),
            coords=np.tile(STARTS, (n_photos, 1)).astype(np.int32),
            area_weight=np.full(n_photos * n_tiles, 1 / n_tiles, dtype=np.float32),
            image_ids=self.image_ids,
            image_sha256=tuple(f"{number:064x}" for number in range(n_photos)),
            offsets=np.arange(n_photos + 1, dtype=np.int64) * n_tiles,
        )

    def labels(self):
        table = pd.DataFrame(self.masses, columns=list(DATA.target_names))
        return table.assign(image_id=self.image_ids, group=self.groups)


def cut(picture):
    return np.stack([picture[r : r + TILE_PX, c : c + TILE_PX] for r, c in STARTS])


FOLDS = GroupKFold(5, shuffle=True, random_state=0)


@pytest.fixture(scope="module")
def plants(tmp_path_factory):
    """A survey whose plants weigh what the labels say."""
    return Survey(tmp_path_factory.mktemp("plants"), SPEC)


@pytest.fixture(scope="module")
def held_out(plants, tmp_path_factory):
    """What the product's models say of groups they never saw: grams by model, and tiles."""
    bags, labels, ids = plants.bags(), plants.labels(), np.array(plants.image_ids)
    spec = mil.PredictionSpec.from_config(EvaluationConfig(n_draws=20))
    recipe = mil.Recipe(DATA, TrainingConfig(n_seeds=1), fingerprint="bars")
    said, shares = {}, []
    for train, test in FOLDS.split(ids, groups=plants.groups):
        learn, ask = photos(bags, ids[train].tolist()), photos(bags, ids[test].tolist())
        folder = tmp_path_factory.mktemp("fold")
        network = mil.train_fold(learn, labels, recipe=recipe, checkpoint_folder=folder, threads=1)
        models = mil.FoldModels(network, mil.fit_ridge(learn, labels, recipe=recipe))
        for model, predicted in models.predict(ask, spec=spec).items():
            said.setdefault(model, np.empty_like(plants.masses))[test] = predicted.y
        shares.append(tile_evidence(network, ask))
    return said, pd.concat(shares)


def test_texture_tells_the_mass_and_mean_colour_does_not(plants):
    assert plants.score(plants.features, plants.groups) >= 0.85
    assert plants.score(plants.means, plants.groups) < 0.70


def test_the_default_is_good_on_unseen_groups_and_not_behind_the_ridge(plants, held_out):
    """On photos of a third of the demo's area, where it reaches more."""
    score = {model: plants.r2(grams) for model, grams in held_out[0].items()}
    assert score["ridge"] >= 0.88
    assert score["mil"] >= 0.80
    assert score["auto"] >= max(0.88, score["ridge"] - 0.01)


def test_the_map_of_tiles_follows_what_was_drawn_there(plants, held_out):
    truth = pd.read_parquet(plants.folder / "truth.parquet")
    cell = truth.assign(**{name: truth[name] // TILE_PX * TILE_PX for name in PLACE[1:]})
    drawn = cell.groupby(PLACE)[list(COMPONENTS)].sum().sum(axis=1).rename("drawn").reset_index()
    both = held_out[1].merge(drawn, on=PLACE, validate="one_to_one")
    assert len(both) == len(plants.masses) * len(STARTS)
    pair = both[["Dry_Total_g", "drawn"]]
    assert pair.corr().iloc[0, 1] > 0.8
    # Within photos, too: a photo's own mean spread over its tiles would not do.
    within = pair - pair.groupby(both["image_id"]).transform("mean")
    assert within.corr().iloc[0, 1] > 0.7


def test_the_control_rewards_recognising_the_session_under_random_folds_only(tmp_path):
    spec = SyntheticSpec(height_px=300, width_px=600, n_sessions=12, cue="session_colour")
    survey = Survey(tmp_path, spec)
    floor = survey.score(np.zeros((len(survey.masses), 1)), survey.groups)
    assert survey.score(survey.features, np.arange(SPEC.n_photos)) > 0.6
    assert survey.score(survey.features, survey.groups) < floor + 0.15
