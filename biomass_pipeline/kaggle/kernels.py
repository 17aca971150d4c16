"""What the two kernels do. Each is one call in its script; everything that it finds out is said."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from biomass_pipeline import __file__ as package_file
from biomass_pipeline import __version__
from biomass_pipeline.benchmark.decoding import peak_bytes
from biomass_pipeline.errors import BiomassError
from biomass_pipeline.features import Backbone, Progress, fetch_weights
from biomass_pipeline.features.registry import source_of
from biomass_pipeline.features.weights import locate
from biomass_pipeline.inference.embedding import Workplace, lanes_of, stamp_of
from biomass_pipeline.kaggle.attached import competition_config, look_at_caches
from biomass_pipeline.kaggle.estimate import LIMIT_HOURS, Rate, Work, duration, estimate
from biomass_pipeline.kaggle.tree import SUBMISSION, Tree
from biomass_pipeline.kaggle.walk import (
    Survey,
    check_asked,
    extract,
    judge,
    out_of_fold,
    submission,
    train,
)
from biomass_pipeline.layout import Layout
from biomass_pipeline.plain import counted
from biomass_pipeline.store import Cache, FeatureSet, part_name
from biomass_pipeline.whole import write_whole

OOF = "oof_predictions.parquet"
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
        bench = _opened(settings, tree, Layout(tree.working), say=say)
        bench.announce(trains=False, limit_hours=limit_hours)
        bench.extract()
        keep_weights(bench.survey, tree)
        say(f"caches for kernel 2: {bench.layout.features(bench.survey.extraction)}")


def train_and_submit(
    settings: str,
    *,
    tree: Tree,
    limit_hours: float = LIMIT_HOURS,
    other_versions: bool = False,
    say: Say,
) -> None:
    """The second kernel: train on the attached caches, score out of fold, and submit.

    Photos that no attached cache has, such as the hidden test set, are embedded here.

    Args:
        settings: As in the first kernel.
        tree: Where Kaggle puts things.
        limit_hours: A warning is said where more are expected.
        other_versions: Use caches though other versions of libraries made them.
        say: Told each line of the log.
    """
    with _told(say):
        layout = Layout(tree.temp / "biomass")
        bench = _opened(settings, tree, layout, say=say, other_versions=other_versions)
        bench.announce(trains=True, limit_hours=limit_hours)
        caches, survey = bench.extract(), bench.survey
        models = {}
        for fold, trained in train(survey, caches, layout=layout):
            models[fold] = trained
            say(f"fold {fold}: trained, predicts with {trained.choice().model}")
        oof = out_of_fold(survey, caches, models)
        say(judge(survey, oof).markdown().rstrip())
        table = submission(survey, caches[None].load(), models)
        write_whole(tree.working / OOF, partial(_write_parquet, oof))
        write_whole(tree.working / SUBMISSION, partial(_write_csv, table))
        say(f"{tree.working / SUBMISSION}: {len(table)} rows")


def keep_weights(survey: Survey, tree: Tree) -> None:
    """Leave weights that this kernel fetched as its output, for the kernel without internet."""
    backbone = survey.config.backbone
    source = source_of(backbone)
    if backbone.checkpoint is not None or not isinstance(source, str):
        return
    path = locate(source, backbone, base=survey.base)
    if path is not None:
        write_whole(tree.working / f"{source}{path.suffix}", partial(shutil.copyfile, path))


def measured_rate(
    lanes: Sequence[Backbone], *, clock: Callable[[], float] = time.monotonic
) -> Rate:
    """How fast a backbone embeds a few tiles of noise on this machine.

    Args:
        lanes: As they were built; one that is there twice is one device's.
        clock: In seconds.
    """
    lane, n_devices = lanes[0], len({id(lane) for lane in lanes})
    shape = (_PROBE_TILES, lane.tile_px, lane.tile_px, 3)
    tiles = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    lane.embed(tiles)
    began_s = clock()
    lane.embed(tiles)
    took_s = max(clock() - began_s, 1e-9)
    source = f"measured now on {_PROBE_TILES} tiles"
    return Rate(n_devices * _PROBE_TILES / took_s, source, lane.feature_dim)


def paced(say: Say, *, clock: Callable[[], float] = time.monotonic) -> Callable[[Progress], None]:
    """Say how far an extraction is, now and then, at the pace since the last time.

    Args:
        say: Told a line.
        clock: In seconds.
    """
    said_s, seen, fresh = clock(), 0, 0

    def report(progress: Progress) -> None:
        nonlocal said_s, seen, fresh
        # Fewer than before: the next part has begun.
        fresh += progress.n_tiles - (seen if progress.n_tiles >= seen else 0)
        seen = progress.n_tiles
        took_s = clock() - said_s
        if took_s >= _SAY_EVERY_S:
            photos = f"{progress.n_photos} of {progress.total_photos} photos"
            say(f"  {photos}, {fresh / took_s:.3g} tiles/s")
            said_s, fresh = said_s + took_s, 0

    return report


class _Bench:
    """A kernel's photos and their caches: what is attached, and what has to be embedded."""

    def __init__(self, survey: Survey, layout: Layout, say: Say) -> None:
        self.survey, self.layout = survey, layout
        self._say = say
        self._known: list[FeatureSet] = []
        device = survey.config.compute.device
        self._place = Workplace(cache=layout.root, device=device, on_progress=paced(say))
        self._lanes = cache(lanes_of(survey, place=self._place))

    def adopt(self, attached: Sequence[Path], *, other_versions: bool) -> None:
        """Copy attached caches of this extraction to where rows are looked for."""
        found = look_at_caches(attached, stamp_of(self.survey), other_versions=other_versions)
        for remark in found.remarks:
            self._say(remark)
        if found.extraction != self.survey.extraction:
            self.survey = replace(self.survey, accepted=found.extraction)
        folder = self.layout.features(found.extraction)
        # Of two files of one name the later one waits beside the first: rows are found in both.
        for number, each in enumerate(found.caches):
            self._known.append(each.memory_map())
            place = folder / each.path.name
            if place.exists():
                place = folder / f"{each.path.stem}.{number}.superseded"
            write_whole(place, partial(shutil.copyfile, each.path))

    def announce(self, *, trains: bool, limit_hours: float) -> None:
        """Say what all of it will take."""
        known = {sha for features in self._known for sha in features.image_sha256}
        contents, manifest = self.survey.contents, self.survey.manifest
        missing = [
            len(part.tile_coords(place))
            for part in contents.values()
            for place, sha in enumerate(part.image_sha256)
            if sha not in known
        ]
        rate = (
            measured_rate(self._lanes())
            if missing
            else Rate(0.0, "all are in the caches", self._known[0].feature_dim)
        )
        rows = {part: each.n_patches for part, each in contents.items()} if trains else {}
        work = Work(
            n_photos=len(missing),
            n_tiles=sum(missing),
            n_rows=sum(rows.values()),
            n_learnt_rows=sum(rows.values()) - rows.get(None, 0),
            photo_px=(int(manifest["height_px"].max()), int(manifest["width_px"].max())),
        )
        for line in estimate(work, self.survey.config, rate=rate).lines(limit_hours=limit_hours):
            self._say(line)

    def extract(self) -> Mapping[int | None, Cache]:
        """Write all parts' caches."""
        caches: dict[int | None, Cache] = {}
        parts = extract(self.survey, layout=self.layout, place=self._place, build=self._lanes)
        for part, written in parts:
            caches[part] = written.cache
            self._say(
                f"{part_name(part)}: {counted(written.n_embedded, 'photo')} embedded, "
                f"{written.n_reused} from caches"
            )
            for photo in written.quarantined:
                self._say(f"  left out: {photo.path}: {photo.reason}")
        return caches


def _opened(
    settings: str, tree: Tree, layout: Layout, *, say: Say, other_versions: bool = False
) -> _Bench:
    """Read what is attached."""
    say(f"biomass-pipeline {__version__} from {Path(package_file).parent}")
    config = competition_config(settings, tree)
    fetch_weights(config.backbone, base=tree.root)
    survey = Survey.read(config, base=tree.root, sidecar=None)
    left_out = survey.manifest[survey.manifest["status"] != "ok"]
    say(f"{len(survey.labels)} labelled photos, {len(survey.photos(None))} to predict")
    for path, reason in zip(left_out["path"], left_out["reason"], strict=True):
        say(f"  left out: {path}: {reason}")
    check_asked(survey)
    bench = _Bench(survey, layout, say)
    bench.adopt(tree.caches(), other_versions=other_versions)
    return bench


def _write_parquet(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path, index=False)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, lineterminator="\n")


@contextmanager
def _told(say: Say) -> Iterator[None]:
    """Say what it took; a person's mistake is a sentence at the end, with an exit code."""
    began_s = time.monotonic()
    try:
        yield
    except BiomassError as error:
        say(f"error: {error}")
        sys.exit(error.exit_code)
    took = duration(time.monotonic() - began_s)
    say(f"took {took}, peak memory {peak_bytes() / 1e9:.1f} GB")
