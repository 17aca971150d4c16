"""A season of small bags whose answer is known, and a predictor that can be checked by eye."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from biomass_pipeline.config import (
    Config,
    DataConfig,
    EvaluationConfig,
    FoldsConfig,
    ProtocolsConfig,
    TargetConfig,
    TrainingConfig,
)
from biomass_pipeline.store.bags import FeatureSet

N_TILES, N_FEATURES = 4, 16

DATA = DataConfig(
    targets=(TargetConfig(name="mass_g"),),
    identities={},
    group_columns=("State", "Sampling_Date"),
)
TRAINING = TrainingConfig(
    hidden_dim=16, attention_dim=8, epochs=25, learning_rate=1e-2, n_seeds=1, dropout=0.1
)


def season_config(**sections):
    return Config(
        **{
            "data": DATA,
            "training": TRAINING,
            "folds": FoldsConfig(n_folds=4),
            "evaluation": EvaluationConfig(n_draws=20, n_resamples=200),
            **sections,
        }
    )


@dataclass(frozen=True)
class Season:
    """Photos of sessions: features and labels."""

    features: FeatureSet
    labels: pd.DataFrame


def season(*, n_groups=20, per_group=5, seed=0, session_colour=False):
    """Bags of 4 tiles x 16 features with a mass.

    Masses have a session's part and a photo's part. Honest features show the mass of the tile.
    Under `session_colour` they show nothing but a colour drawn for the session, far from those of
    other sessions and without any rule that ties it to the mass.
    """
    chance = np.random.default_rng(seed)
    group = np.repeat(np.arange(n_groups), per_group)
    n_photos = len(group)
    session, own = chance.normal(0, 6, n_groups), chance.normal(0, 2, n_photos)
    mass = np.maximum(20 + session[group] + own, 0.0)
    tiles = mass[:, None] + chance.normal(0, 1, (n_photos, N_TILES))
    direction = chance.normal(size=N_FEATURES)
    features = (tiles[..., None] - 20) * direction / 8
    if session_colour:
        colour = chance.normal(0, 3, (n_groups, N_FEATURES))
        features = np.broadcast_to(colour[group][:, None], (n_photos, N_TILES, N_FEATURES)).copy()
    features += chance.normal(0, 0.3, features.shape)
    ids = tuple(f"photo{n:03d}" for n in range(n_photos))
    state, day = np.array(["NSW", "Tas", "Vic", "WA"])[group % 4], group // 2 + 1
    date = [f"2015-{1 + d // 28:02d}-{1 + d % 28:02d}" for d in day]
    labels = pd.DataFrame({"image_id": ids, "mass_g": mass, "State": state, "Sampling_Date": date})
    labels["group"] = "State=" + labels["State"] + "|Sampling_Date=" + labels["Sampling_Date"]
    return Season(
        FeatureSet(
            features=features.reshape(-1, N_FEATURES).astype(np.float16),
            coords=np.zeros((n_photos * N_TILES, 2), dtype=np.int32),
            area_weight=np.full(n_photos * N_TILES, 1 / N_TILES, dtype=np.float32),
            image_ids=ids,
            image_sha256=tuple(f"{n:064x}" for n in range(n_photos)),
            offsets=np.arange(n_photos + 1, dtype=np.int64) * N_TILES,
        ),
        labels,
    )


@dataclass
class MeanPredictor:
    """Predicts the training mean as `constant`, and as `ridge` the mean plus one."""

    labels: pd.DataFrame
    target: str = "mass_g"
    asked: list = field(default_factory=list)

    def frames(self, split):
        self.asked.append(split)
        mean = self.labels.set_index("image_id")[self.target][list(split.train_ids)].mean()
        frame = pd.DataFrame({"image_id": split.test_ids, "target": self.target})
        return {
            model: frame.assign(y_pred=mean + plus, y_lower=0.0, y_upper=2 * mean)
            for model, plus in (("constant", 0.0), ("ridge", 1.0))
        }


ALL_PROTOCOLS = ProtocolsConfig(group_seeds=2, learning_curve=(0.5,), forward_parts=3)
