"""Data sets that defaults are chosen on: photos embedded once, and simulated features.

Defaults that win on one data set are that data set's. So there are several kinds: generated photos
in several sizes and seeds, real photos where a folder of them is given, the same photos seen by an
untrained ViT-S, and features simulated as a network of that width might give them, with sessions
that shift features and labels alike.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.config import (
    BackboneConfig,
    DataConfig,
    TargetConfig,
    TilingConfig,
    fingerprint,
)
from biomass_pipeline.features import Backbone, backbone_identity, build_backbone
from biomass_pipeline.imaging import cut_tiles, decode
from biomass_pipeline.manifest.proposal import propose_tiling
from biomass_pipeline.mil.targets import TargetSpec
from biomass_pipeline.store.bags import FeatureSet
from biomass_pipeline.synthetic import SyntheticSpec, write_photos
from biomass_pipeline.synthetic.survey import plan_survey
from biomass_pipeline.tiling import tile_grid

Floats = NDArray[np.float64]

WEIGHTS_FREE = BackboneConfig()
UNTRAINED = BackboneConfig(name="vit_small_patch14_dinov2", random_weights=True, precision="fp32")
DEMO_TILING = TilingConfig(tile_px=250, stride_px=200)
VIT_TILING = TilingConfig(tile_px=224, stride_px=200)
WHEAT_TILING = TilingConfig(**propose_tiling(350, 350))
WHEAT = DataConfig(
    targets=(TargetConfig(name="wheat_fraction", unit="fraction"),),
    identities={},
    group_columns=("date",),
    date_column="date",
    layout="wide",
)
SIMULATED_PHOTOS, SIMULATED_GROUPS, SIMULATED_WIDTH, SIMULATED_TILES = 357, 30, 384, 15
_MAX_PIXELS = 10**8
_OUTLYING_SHARE, _OUTLYING_TIMES = 0.01, 6.0  # tiles, and how far they stick out
# What no photo shows: how dense and moist the plants are, by photo and by session, as log mass.
_UNSEEN_SD, _UNSEEN_SESSION_SD = 0.25, 0.2


@dataclass(frozen=True)
class Survey:
    """One data set.

    Attributes:
        name: As in tables.
        kind: Data sets of a kind are averaged before kinds are compared.
        features: The photos' tiles.
        labels: Columns `image_id`, `group` and the targets.
        data: What the labels mean.
    """

    name: str
    kind: str
    features: FeatureSet
    labels: pd.DataFrame
    data: DataConfig

    @property
    def targets(self) -> TargetSpec:
        """Names, weights and identities."""
        return TargetSpec.from_config(self.data)


def surveys(cache: Path, *, wheat: Path | None, vit: bool = True) -> Iterator[Survey]:
    """Yield all data sets; features of photos are kept in the cache folder.

    Args:
        cache: For photos and features.
        wheat: Folder with `labels.csv` (`image_path, date, wheat_fraction`) and its photos.
        vit: Whether to embed photos by an untrained ViT-S too, which takes minutes.
    """
    for seed in range(5):
        yield photographed(cache, SyntheticSpec(seed=seed), WEIGHTS_FREE, kind="demo")
    spec = SyntheticSpec(n_photos=357, n_sessions=30, seed=5)
    yield photographed(cache, spec, WEIGHTS_FREE, kind="survey")
    if wheat is not None:
        yield real(cache, wheat, WEIGHTS_FREE, kind="wheat")
        if vit:
            yield real(cache, wheat, UNTRAINED, kind="vit wheat")
    for generator in GENERATORS:
        yield simulated(generator, seed=0)


def photographed(
    cache: Path, spec: SyntheticSpec, backbone: BackboneConfig, *, kind: str
) -> Survey:
    """Generated photos, seen by a backbone."""
    folder = cache / f"photos_{spec.n_photos}_{spec.seed}"
    write_photos(folder, spec=spec)
    long = pd.read_csv(folder / "train.csv")
    long = long.assign(group=long["State"] + " " + long["Sampling_Date"])
    rows = long.pivot_table(index=["image_path", "group"], columns="target_name", values="target")
    labels = rows.reset_index().rename(columns={"image_path": "image_id"})
    tiling = VIT_TILING if backbone.random_weights else DEMO_TILING
    name = f"{kind} {spec.n_photos} seed {spec.seed}"
    features = _embedded(cache / f"{name}.npz", folder, labels["image_id"], backbone, tiling)
    return Survey(name, kind, features, labels, DataConfig())


def real(cache: Path, folder: Path, backbone: BackboneConfig, *, kind: str) -> Survey:
    """Real photos with one label a photo, seen by a backbone."""
    table = pd.read_csv(folder / "labels.csv")
    labels = table.rename(columns={"image_path": "image_id", "date": "group"})
    tiling = VIT_TILING if backbone.random_weights else WHEAT_TILING
    features = _embedded(cache / f"{kind}.npz", folder, labels["image_id"], backbone, tiling)
    return Survey(kind, kind, features, labels, WHEAT)


def simulated(generator: str, *, seed: int) -> Survey:
    """Features as a frozen network might give them, and the labels of a generated survey.

    A tile has a density of each component around the photo's; what can be seen of it saturates
    (leaves hide leaves). Photos differ in what has nothing to do with mass, sessions even more.
    """
    chance = np.random.default_rng([seed, *generator.encode()])
    spec = SyntheticSpec(n_photos=SIMULATED_PHOTOS, n_sessions=SIMULATED_GROUPS, seed=100 + seed)
    plans = plan_survey(spec)
    mass = np.stack([plan.drawn_g for plan in plans])
    session = np.unique([plan.visit.date.isoformat() for plan in plans], return_inverse=True)[1]
    uneven = chance.gamma(4.0, 0.25, (len(mass), SIMULATED_TILES, mass.shape[1]))
    density = mass[:, None] * uneven / uneven.mean(axis=1, keepdims=True)
    seen = 1 - np.exp(-density / np.array([15.0, 30.0, 12.0]))
    tiles = GENERATORS[generator](seen, session, chance)
    unseen = chance.normal(0, _UNSEEN_SD, mass.shape)
    unseen += chance.normal(0, _UNSEEN_SESSION_SD, (session.max() + 1, 3))[session]
    label = mass * np.exp(unseen)
    names = tuple(plan.image_id for plan in plans)
    columns = dict(zip(("Dry_Dead_g", "Dry_Green_g", "Dry_Clover_g"), label.T, strict=True))
    table = pd.DataFrame({"image_id": names, "group": [f"session {n}" for n in session], **columns})
    table["GDM_g"] = table["Dry_Green_g"] + table["Dry_Clover_g"]
    table["Dry_Total_g"] = table["GDM_g"] + table["Dry_Dead_g"]
    name = f"{generator} seed {seed}"
    return Survey(name, f"simulated {generator}", _bags(names, tiles), table, DataConfig())


def _embedded(
    file: Path, folder: Path, paths: "pd.Series[str]", spec: BackboneConfig, tiling: TilingConfig
) -> FeatureSet:
    # Another release of the backbone or another tiling is another file.
    mark = fingerprint(dict(backbone_identity(spec)), tiling)
    file = file.with_stem(f"{file.stem} {mark}")
    if file.exists():
        with np.load(file) as kept:
            return _flat(tuple(paths), kept["features"], kept["weight"], kept["offsets"])
    backbone = build_backbone(spec, tile_px=tiling.tile_px)
    found = [_photo_rows(_find(folder, path), backbone, tiling) for path in paths]
    features = np.concatenate([rows for rows, _ in found]).astype(np.float16)
    weight = np.concatenate([weight for _, weight in found])
    offsets = np.concatenate([[0], np.cumsum([len(rows) for rows, _ in found])])
    np.savez(file, features=features, weight=weight, offsets=offsets)
    return _flat(tuple(paths), features, weight, offsets)


def _find(folder: Path, path: str) -> Path:
    places = (folder / path, folder / "photos" / Path(path).name)
    return next(place for place in places if place.exists())


def _photo_rows(
    path: Path, backbone: Backbone, tiling: TilingConfig
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    pixels = decode(path.read_bytes(), max_pixels=_MAX_PIXELS)
    grid = tile_grid(pixels.shape[0], pixels.shape[1], tiling)
    tiles = cut_tiles(pixels, grid.row_px, grid.col_px, tiling.tile_px)
    return backbone.embed(tiles), grid.area_weight


def _bags(names: tuple[str, ...], tiles: Floats) -> FeatureSet:
    n_bags, n_tiles, width = tiles.shape
    weight = np.full(n_bags * n_tiles, 1 / n_tiles, np.float32)
    offsets = np.arange(n_bags + 1) * n_tiles
    return _flat(names, tiles.reshape(-1, width).astype(np.float16), weight, offsets)


def _flat(
    names: tuple[str, ...],
    features: NDArray[np.float16],
    weight: NDArray[np.float32],
    offsets: NDArray[np.int64],
) -> FeatureSet:
    return FeatureSet(
        features=features,
        coords=np.zeros((len(features), 2), np.int32),
        area_weight=weight,
        image_ids=names,
        image_sha256=tuple(hashlib.sha256(name.encode()).hexdigest() for name in names),
        offsets=offsets.astype(np.int64),
    )


def _nuisance(
    seen: Floats, session: NDArray[np.int64], chance: np.random.Generator, *, spread: float
) -> Floats:
    """What photos and sessions differ in beside mass, shape (bag, tile, 12)."""
    n_bags, n_tiles, _ = seen.shape
    of_session = spread * chance.normal(size=(session.max() + 1, 12))[session]
    of_photo = 0.5 * chance.normal(size=(n_bags, 12))
    of_tile = 0.5 * chance.normal(size=(n_bags, n_tiles, 12))
    return (of_session + of_photo)[:, None] + of_tile


def _linear(seen: Floats, session: NDArray[np.int64], chance: np.random.Generator) -> Floats:
    """Linear in what is seen: the best case of a linear model."""
    latent = np.concatenate([4 * seen, _nuisance(seen, session, chance, spread=1.5)], axis=2)
    mixed = latent @ chance.normal(size=(latent.shape[2], SIMULATED_WIDTH))
    return mixed + 6.0 * chance.normal(size=mixed.shape)


def _network(seen: Floats, session: NDArray[np.int64], chance: np.random.Generator) -> Floats:
    """Two random layers: light bends the relation, as in a frozen network."""
    latent = np.concatenate([4 * seen, _nuisance(seen, session, chance, spread=1.5)], axis=2)
    hidden = np.tanh(latent @ chance.normal(size=(latent.shape[2], 256)) / 4)
    mixed = hidden @ chance.normal(size=(256, SIMULATED_WIDTH)) / 4
    return mixed + 1.0 * chance.normal(size=mixed.shape)


def _outlying(seen: Floats, session: NDArray[np.int64], chance: np.random.Generator) -> Floats:
    """As `network`, with channels of very unlike size and rare tiles that stick out by far."""
    mixed = _network(seen, session, chance)
    rare = chance.random(mixed.shape[:2]) < _OUTLYING_SHARE
    mixed = mixed * np.where(rare, _OUTLYING_TIMES, 1.0)[:, :, None]
    return mixed * np.exp(chance.normal(0, 1.5, SIMULATED_WIDTH))


def _drifting(seen: Floats, session: NDArray[np.int64], chance: np.random.Generator) -> Floats:
    """As `network`, and every session shifts and stretches each channel a little by itself."""
    mixed = _network(seen, session, chance)
    size = (session.max() + 1, 1, SIMULATED_WIDTH)
    shift = 0.4 * mixed.std() * chance.normal(size=size)
    return mixed * np.exp(chance.normal(0, 0.15, size))[session] + shift[session]


GENERATORS: dict[str, Callable[[Floats, NDArray[np.int64], np.random.Generator], Floats]] = {
    "linear": _linear,
    "network": _network,
    "outlying": _outlying,
    "drifting": _drifting,
}
