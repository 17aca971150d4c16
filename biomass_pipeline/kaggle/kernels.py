"""What the two kernels do. Each is one call in its script; everything that it finds out is said."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from biomass_pipeline import __file__ as package_file
from biomass_pipeline import __version__
from biomass_pipeline.config import BackboneConfig, Config, parse_config
from biomass_pipeline.errors import BiomassError, ConfigError
from biomass_pipeline.features import Backbone, Progress, fetch_weights
from biomass_pipeline.features.registry import source_of
from biomass_pipeline.features.weights import locate
from biomass_pipeline.inference.embedding import Workplace, lanes_of
from biomass_pipeline.kaggle.estimate import LIMIT_HOURS, Estimate, Rate, Work, estimate
from biomass_pipeline.kaggle.tree import SUBMISSION, TEST, TRAIN, Tree
from biomass_pipeline.kaggle.walk import Survey, extract, judge, out_of_fold, submission, train
from biomass_pipeline.layout import Layout
from biomass_pipeline.store import Cache, open_cache, part_name
from biomass_pipeline.whole import write_whole

Say = Callable[[str], None]
_SAY_EVERY_S = 30.0
_PROBE_TILES = 4


def extract_caches(
    settings: str, *, tree: Tree, limit_hours: float = LIMIT_HOURS, say: Say
) -> None:
    """The first kernel: embed the competition's photos and leave their caches as its output.

    Args:
        settings: Sections of a configuration, in YAML; where the data are follows from the tree.
        tree: Where Kaggle puts things.
        limit_hours: A warning is said where more are expected.
        say: Told each line of the log.
    """
    with _told(say):
        survey = _survey(settings, tree, say)
        layout = Layout(tree.working)
        desk = _Desk(survey, layout, limit_hours, say)
        desk.adopt(tree.caches())
        desk.announce(trains=False)
        desk.extract()
        keep_weights(survey, tree)
        say(f"{layout.features(survey.extraction)}: the caches, for kernel 2")


def train_and_submit(
    settings: str, *, tree: Tree, limit_hours: float = LIMIT_HOURS, say: Say
) -> None:
    """The second kernel: train on the attached caches, score out of fold, and submit.

    Photos that no attached cache has, such as the hidden test set, are embedded here.

    Args:
        settings: As in the first kernel.
        tree: Where Kaggle puts things.
        limit_hours: A warning is said where more are expected.
        say: Told each line of the log.
    """
    with _told(say):
        survey = _survey(settings, tree, say)
        layout = Layout(tree.temp / "biomass")
        desk = _Desk(survey, layout, limit_hours, say)
        desk.adopt(tree.caches())
        desk.announce(trains=True)
        caches = desk.extract()
        models = {}
        for fold, trained in train(survey, caches, layout=layout):
            models[fold] = trained
            say(f"fold {fold}: trained, predicts with {trained.choice().model}")
        oof = out_of_fold(survey, caches, models)
        say(judge(survey, oof).markdown().rstrip())
        table = submission(survey, caches[None].load(), models)
        write_whole(
            tree.working / "oof_predictions.parquet", lambda path: oof.to_parquet(path, index=False)
        )
        write_whole(
            tree.working / SUBMISSION,
            lambda path: table.to_csv(path, index=False, lineterminator="\n"),
        )
        say(f"{tree.working / SUBMISSION}: {len(table)} rows")


def competition_config(settings: str, tree: Tree) -> Config:
    """The configuration of a kernel: its settings, with the data where the tree has them.

    Raises:
        ConfigError: The settings are not valid.
        AttachedInputError: The competition or the weights are not attached.
    """
    source = "SETTINGS"
    try:
        content: Any = yaml.safe_load(settings) or {}
    except yaml.YAMLError as error:
        raise ConfigError(source, [f"it is not YAML: {error}"]) from None
    if not isinstance(content, dict):
        raise ConfigError(source, ["expected sections such as `backbone:` and `training:`"])
    folder = tree.competition()
    places = {
        "images": str(folder),
        "labels": str(folder / TRAIN),
        "submission": str(folder / TEST),
    }
    data = {**(content.get("data") or {}), **places}
    config = parse_config({**content, "data": data}, source=source)
    return config.model_copy(update={"backbone": _with_weights(config.backbone, tree)})


def keep_weights(survey: Survey, tree: Tree) -> None:
    """Leave weights that this kernel fetched as its output, for the kernel without internet."""
    backbone = survey.config.backbone
    source = source_of(backbone)
    if backbone.checkpoint is not None or not isinstance(source, str):
        return
    path = locate(source, backbone, base=survey.base)
    if path is not None:
        place = tree.working / f"{source}{path.suffix}"
        write_whole(place, partial(shutil.copyfile, path))


def measured_rate(
    lanes: Sequence[Backbone], *, clock: Callable[[], float] = time.monotonic
) -> Rate:
    """How fast a backbone embeds a few tiles of noise on this machine.

    Args:
        lanes: As they were built; one that is there twice is one device's.
        clock: In seconds.
    """
    lane, n_devices = lanes[0], len({id(lane) for lane in lanes})
    side = lane.tile_px
    tiles = np.random.default_rng(0).integers(0, 256, (_PROBE_TILES, side, side, 3), np.uint8)
    lane.embed(tiles)
    began_s = clock()
    lane.embed(tiles)
    took_s = max(clock() - began_s, 1e-9)
    return Rate(n_devices * _PROBE_TILES / took_s, f"measured now on {_PROBE_TILES} tiles")


class _Desk:
    """A kernel's caches: those that are attached, and what has to be embedded."""

    def __init__(self, survey: Survey, layout: Layout, limit_hours: float, say: Say) -> None:
        self._survey, self._layout = survey, layout
        self._limit_hours, self._say = limit_hours, say
        self._known: set[str] = set()
        self._place = Workplace(
            cache=layout.root,
            device=survey.config.compute.device,
            on_progress=_paced(say),
        )
        self._lanes = cache(lanes_of(survey, place=self._place))

    def adopt(self, attached: Sequence[Path]) -> None:
        """Copy attached caches of this extraction to where rows are looked for."""
        names: set[str] = set()
        for path in attached:
            try:
                features = open_cache(path, self._survey.extraction).memory_map()
            except BiomassError as error:
                self._say(f"not used: {error}")
                continue
            if path.name in names:
                continue
            names.add(path.name)
            self._known.update(features.image_sha256)
            place = self._layout.features(self._survey.extraction) / path.name
            write_whole(place, partial(shutil.copyfile, path))

    def announce(self, *, trains: bool) -> None:
        """Say what all of it will take."""
        for line in self._estimate(trains=trains).lines(limit_hours=self._limit_hours):
            self._say(line)

    def extract(self) -> Mapping[int | None, Cache]:
        """Write all parts' caches."""
        caches: dict[int | None, Cache] = {}
        for part, written in extract(
            self._survey, layout=self._layout, place=self._place, build=self._lanes
        ):
            caches[part] = written.cache
            self._say(
                f"{part_name(part)}: {written.n_embedded} photos embedded, "
                f"{written.n_reused} from caches"
            )
            for photo in written.quarantined:
                self._say(f"  left out: {photo.path}: {photo.reason}")
        return caches

    def _estimate(self, *, trains: bool) -> Estimate:
        contents = self._survey.contents
        missing = [
            len(part.tile_coords(place))
            for part in contents.values()
            for place, sha in enumerate(part.image_sha256)
            if sha not in self._known
        ]
        n_rows = sum(part.n_patches for part in contents.values())
        rate = measured_rate(self._lanes()) if missing else Rate(0.0, "all are in the caches")
        photos = self._survey.manifest
        work = Work(
            n_photos=len(missing),
            n_tiles=sum(missing),
            n_rows=n_rows if trains else 0,
            feature_dim=self._lanes()[0].feature_dim if missing else 0,
            photo_px=(int(photos["height_px"].max()), int(photos["width_px"].max())),
        )
        return estimate(work, self._survey.config, rate=rate)


def _with_weights(backbone: BackboneConfig, tree: Tree) -> BackboneConfig:
    if backbone.random_weights or not isinstance(source_of(backbone), str):
        return backbone
    name = None if backbone.checkpoint is None else Path(backbone.checkpoint).name
    found = tree.weights(name)
    return backbone.model_copy(update={"checkpoint": None if found is None else str(found)})


def _survey(settings: str, tree: Tree, say: Say) -> Survey:
    say(f"biomass-pipeline {__version__} from {Path(package_file).parent}")
    config = competition_config(settings, tree)
    fetch_weights(config.backbone, base=tree.root)
    survey = Survey.read(config, base=tree.root, sidecar=None)
    n_test = len(survey.photos(None))
    say(f"{len(survey.labels)} labelled photos, {n_test} to predict")
    return survey


def _paced(say: Say) -> Callable[[Progress], None]:
    """A line now and then."""
    began_s = last_s = time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if now_s - last_s >= _SAY_EVERY_S:
            last_s = now_s
            rate = progress.n_tiles / (now_s - began_s)
            say(f"  {progress.n_photos} of {progress.total_photos} photos, {rate:.3g} tiles/s")

    return report


@contextmanager
def _told(say: Say) -> Iterator[None]:
    """A person's mistake is a sentence at the end of the log, and an exit code."""
    try:
        yield
    except BiomassError as error:
        say(f"error: {error}")
        sys.exit(error.exit_code)
