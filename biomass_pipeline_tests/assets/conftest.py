"""Fakes behind the assets' seams: photos, labels, ledger and features in memory, no instance."""

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from io import BytesIO

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from biomass_pipeline.assets import Blueprint, build_assets
from biomass_pipeline.config import Config
from biomass_pipeline.evaluation import protocols_of
from biomass_pipeline.manifest import ImageFile, LabelSheet, image_manifest
from biomass_pipeline.orchestration.partitions import (
    fold_partitions,
    other_folds,
    protocol_partitions,
)
from biomass_pipeline.store import MemoryFeatures
from biomass_pipeline_tests.farm import SETTINGS, CountingBackbone


@dataclass
class Photos:
    """Photos as bytes by path."""

    files: dict[str, bytes] = field(default_factory=dict)

    def manifest(self, sheet):
        return image_manifest(Listing(self.files), labels=sheet, sidecar=None, max_pixels=10_000)

    def version(self):
        return str(sorted(self.files))

    def open(self, path):
        return BytesIO(self.files[path])


@dataclass
class Listing:
    """The same bytes, as a folder is listed."""

    contents: dict[str, bytes]

    def files(self):
        return [ImageFile(path, len(data), "") for path, data in sorted(self.contents.items())]

    def open(self, path):
        return BytesIO(self.contents[path])


@dataclass
class Labels:
    """A sheet of one target, mass in grams by path, one date a session."""

    rows: dict[str, tuple[str, float]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    asked: pd.DataFrame | None = None

    def order(self):
        return self.asked

    def read(self):
        table = pd.DataFrame(
            {
                "image_path": list(self.rows),
                "mass_g": [mass for _, mass in self.rows.values()],
                "date": [date for date, _ in self.rows.values()],
            }
        )
        lines = pd.Series(range(2, len(table) + 2))
        return LabelSheet("labels", table, lines, ("mass_g",), ("date",), self.warnings)

    def version(self):
        return str(self.rows)


@dataclass
class Ledger:
    """The folds given so far."""

    kept: pd.DataFrame | None = None

    def read(self):
        return self.kept

    def held(self):
        return nullcontext()

    def write(self, ledger):
        self.kept = ledger


@dataclass
class Present:
    """The configuration as it is now, on a CPU."""

    config: Config

    def load(self):
        return self.config

    def device(self):
        return "cpu"


@dataclass
class Checkpoints:
    """Models below a test's own folder."""

    root: object

    def folder(self, fingerprint, fold):
        return self.root / fingerprint / str(fold)


@dataclass
class Bar:
    """Remembers how far each fold said it was."""

    seen: dict[int, list] = field(default_factory=dict)

    def extraction(self, fold):
        return self.seen.setdefault(fold, []).append

    def training(self, fold):
        return self.seen.setdefault(("training", fold), []).append


def png(green, *, blue=0):
    """A plain photo of 16 x 32 px: two tiles of 16 px."""
    stream = BytesIO()
    Image.new("RGB", (32, 16), (90, green, blue)).save(stream, "PNG")
    return stream.getvalue()


@dataclass
class Stand:
    """One tiny project in memory: what each asset gives when it is called by hand."""

    config: Config
    photos: Photos
    labels: Labels
    checkpoints: Checkpoints
    ledger: Ledger = field(default_factory=Ledger)
    features: MemoryFeatures = field(default_factory=MemoryFeatures)
    backbone: object = field(default_factory=CountingBackbone)
    bar: Bar = field(default_factory=Bar)
    extraction: str = "e" * 16

    def with_config(self, **sections):
        """The same project under another configuration."""
        return replace(self, config=self.config.model_copy(update=sections))

    def asset(self, name):
        return built(self.config.model_dump_json(), self.extraction)[name]

    def call(self, name, *inputs, fold=None, **resources):
        """Invoke an asset as Dagster checks it, with a context if it has folds; its result."""
        context = [] if fold is None else [dg.build_asset_context(partition_key=str(fold))]
        return self.asset(name)(*context, *inputs, **resources)

    def value(self, name, *inputs, fold=None, **resources):
        """What the bare function gives; Dagster's own check of a call costs a tenth of a second."""
        context = [] if fold is None else [Partition(str(fold))]
        return self.asset(name).op.compute_fn.decorated_fn(*context, *inputs, **resources).value

    def manifest(self, how="value"):
        return getattr(self, how)("image_manifest", photos=self.photos, labels=self.labels)

    def label_table(self, how="value"):
        return getattr(self, how)("label_table", self.manifest(), labels=self.labels)

    def folds(self, how="value"):
        return getattr(self, how)("fold_assignment", self.label_table(), ledger=self.ledger)

    def patch_index(self, fold, how="value"):
        return getattr(self, how)(
            "patch_index", self.manifest(), self.folds(), fold=fold, photos=self.photos
        )

    def cache(self, fold, how="value"):
        return getattr(self, how)(
            "feature_cache",
            {fold: self.patch_index(fold)},
            fold=fold,
            photos=self.photos,
            backbone=self.backbone,
            features=self.features,
            reporter=self.bar,
        )

    def inference(self, manifest=None):
        """The result of embedding the photos without labels."""
        return self.asset("inference_features")(
            dg.build_asset_context(),
            self.manifest() if manifest is None else manifest,
            photos=self.photos,
            backbone=self.backbone,
            features=self.features,
            reporter=self.bar,
        )

    def caches(self, *folds):
        return {fold: self.cache(fold) for fold in folds}

    @property
    def settings(self):
        return Present(self.config)

    def model(self, name, fold, caches, how="value", labels=None):
        labels = self.label_table() if labels is None else labels
        seams = {"settings": self.settings, "checkpoints": self.checkpoints}
        if name == "mil_checkpoint":
            seams["reporter"] = self.bar
        return getattr(self, how)(name, caches, labels, fold=fold, **seams)

    def study(self, fold, caches, *, studies):
        """The result of one fold's search."""
        return self.call(
            "tuning_study",
            caches,
            self.label_table(),
            fold=fold,
            settings=self.settings,
            checkpoints=self.checkpoints,
            studies=studies,
        )

    def predictions(self, fold):
        """The result of the held-out predictions of one of three folds."""
        others = [other for other in range(self.config.folds.n_folds) if other != fold]
        caches = self.caches(*others)
        return self.call(
            "fold_predictions",
            {fold: self.model("mil_checkpoint", fold, caches)},
            {fold: self.model("ridge_baseline", fold, caches)},
            self.caches(fold),
            self.label_table(),
            self.folds(),
            fold=fold,
            settings=self.settings,
        )


class Forgetful:
    """A storage that remembers no materialization."""

    records = ()

    def fetch_materializations(self, key, *, limit):
        return self


@dataclass
class Partition:
    """As much of a context as an asset reads."""

    partition_key: str
    instance: Forgetful = field(default_factory=Forgetful)


@cache
def built(config_json, extraction):
    """The assets of one configuration, by name."""
    config = Config.model_validate_json(config_json)
    n_folds = config.folds.n_folds
    blueprint = Blueprint(
        config,
        extraction,
        folds=fold_partitions(n_folds),
        protocols=protocol_partitions([protocol.key for protocol in protocols_of(config)]),
        other_folds=other_folds(n_folds),
    )
    return {asset.key.to_user_string(): asset for asset in build_assets(blueprint)}


def build_stand(folder):
    """Six sessions of two photos in three folds; mass in grams = green / 10."""
    photos, labels = Photos(), Labels()
    for session in range(6):
        for number in range(2):
            path, green = f"s{session}n{number}.png", 20 + 37 * session + 11 * number
            photos.files[path] = png(green, blue=session)
            labels.rows[path] = (f"2024-05-{session + 1:02d}", green / 10)
    return Stand(Config.model_validate(SETTINGS), photos, labels, Checkpoints(folder))


@pytest.fixture
def stand(tmp_path):
    """A stand of its own for each test."""
    return build_stand(tmp_path)


class BrokenBackbone(CountingBackbone):
    """Embeds a tile as three NaN."""

    def build(self):
        (backbone,) = super().build()
        backbone.embed = lambda tiles: np.full((len(tiles), 3), np.nan, np.float32)
        return [backbone]


@pytest.fixture
def broken_backbone():
    return BrokenBackbone()


@pytest.fixture
def another_photo():
    return png(123, blue=99)
