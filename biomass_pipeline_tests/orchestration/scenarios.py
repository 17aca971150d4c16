"""Changes to a finished project, and what has to run because of each: the law as a table."""

import json
import shutil
from collections import defaultdict
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

import biomass_pipeline.assets.judgement
from biomass_pipeline.errors import BiomassError
from biomass_pipeline.orchestration import Graph, Node
from biomass_pipeline.orchestration.jobs import STAGES
from biomass_pipeline.reporting import Report
from biomass_pipeline_tests.farm import CountingBackbone, Farm, build_farm, graph_of

FOLDS = ("0", "1")
# One epoch of one network: what is learnt does not matter here, only whether it is.
TRAINING = {"epochs": 1}
# A photo without a label lies among the others.
UNLABELLED = "u0.png"
_MOST_TICKS = 25
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class UnreliableBackbone(CountingBackbone):
    """Cannot be built while it is broken: a failure of the step, not of a photo."""

    broken: bool = False
    power: float = 1.0

    def build(self):
        if self.broken:
            raise RuntimeError("the device is gone")
        (backbone,) = super().build()
        embed = backbone.embed
        backbone.embed = lambda tiles: (embed(tiles) / 255) ** self.power
        return [backbone]


@dataclass
class World:
    """A finished project that something happens to."""

    farm: Farm
    instance: dg.DagsterInstance
    cursor: object = None
    backbone: UnreliableBackbone = field(default_factory=UnreliableBackbone)
    ran: list[str] = field(default_factory=list)
    patches: dict[tuple[object, str], object] = field(default_factory=dict)

    def graph(self) -> Graph:
        """The graph as a server that is started now would load it."""
        return graph_of(self.farm.project(), self.instance, backbone=self.backbone)

    def write(self, **sections):
        """Change the configuration, or only write the labels anew."""
        training = TRAINING | sections.pop("training", {})
        folds = {"n_folds": len(FOLDS)} | sections.pop("folds", {})
        self.farm.write(training=training, folds=folds, **sections)

    def add(self, session, number):
        """A new photo of a session, with its label."""
        name = f"s{session}n{number}.png"
        self.farm.photo(name, 90 + number, blue=50 + session)
        self.farm.label(name, f"2024-05-{session + 1:02d}", 9 + number / 10)

    def fold_of(self, photo):
        table = pd.read_parquet(self.artefacts / "fold_assignment.parquet")
        return str(int(table.set_index("image_id")["fold"][photo]))

    @property
    def artefacts(self) -> Path:
        return self.farm.folder / "artefacts"

    def patch(self, module, name, value):
        """Change a constant of the code, until the scenario is over."""
        self.patches.setdefault((module, name), getattr(module, name))
        setattr(module, name, value)

    def restore(self):
        for (module, name), value in self.patches.items():
            setattr(module, name, value)

    def execute(self, graph, nodes, *, fold):
        """One run, as a server launches it; a failure stays in its log."""
        self.ran += map(str, nodes)
        graph.defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(node.asset) for node in nodes],
            partition_key=fold,
            raise_on_error=False,
            run_config=_QUIET,
        )


class ByAutomation(World):
    """Sources are observed, then the conditions are asked until they ask for nothing."""

    def settle(self):
        graph = self.graph()
        graph.observe()
        for _ in range(_MOST_TICKS):
            runs = self._tick(graph)
            if not runs:
                return
            for fold, nodes in sorted(runs.items(), key=str):
                self.execute(graph, nodes, fold=fold)
        raise AssertionError(f"not quiet after {_MOST_TICKS} ticks: {self.ran}")

    def retry_by_hand(self, node):
        """What a person does in the UI: nothing that failed is tried again by itself."""
        self.execute(self.graph(), [node], fold=node.fold)

    def _tick(self, graph):
        found = dg.evaluate_automation_conditions(
            graph.defs, self.instance, dg.AssetSelection.all(), cursor=self.cursor
        )
        self.cursor = found.cursor
        runs = defaultdict(list)
        for key in graph.defs.resolve_asset_graph().materializable_asset_keys:
            for fold in found.get_requested_partitions(key):
                runs[fold].append(Node(key.to_user_string(), fold))
        return runs


class ByCommand(World):
    """What `biomass run` does."""

    def settle(self):
        graph = self.graph()
        graph.observe()
        try:
            graph.run(graph.select(), on_step=lambda step: self.ran.extend(map(str, step.nodes)))
        except BiomassError:
            assert self.backbone.broken

    def retry_by_hand(self, node):
        """The command tries again what failed."""


@dataclass(frozen=True)
class Scenario:
    """Something happens, and this runs.

    Attributes:
        name: What happens.
        act: Makes it happen, and lets the project settle.
        runs: What is to run: `[all]` folds, the fold `[k]` of the photo, or `[not k]`.
        embeds: How many photos are to be embedded.
        photo: Whose fold is k.
        tiles_each: How many tiles a photo has then.
    """

    name: str
    act: Callable[[World], None]
    runs: str = ""
    embeds: int = 0
    photo: str = "s0n0"
    tiles_each: int = 2

    def expected(self, world):
        """The names of what is to run, sorted; what is to run twice is there twice."""
        fold = world.fold_of(self.photo)
        chosen = {
            "all": FOLDS,
            "k": (fold,),
            "not k": [each for each in FOLDS if each != fold],
            **{each: (each,) for each in FOLDS},
        }
        names = []
        for word in self.runs.replace(", ", ",").split(","):
            asset, _, part = word.removesuffix("]").partition("[")
            names += (
                [str(Node(asset, one)) for one in chosen[part]] if part else [asset] * bool(asset)
            )
        return sorted(names)

    def observed(self, world):
        """What ran, in the words of the table."""
        fold = world.fold_of(self.photo)
        folds = defaultdict(list)
        for name in world.ran:
            asset, _, part = name.removesuffix("]").partition("[")
            folds[asset].append(part)
        order = [asset for assets in STAGES.values() for asset in assets]
        return ", ".join(
            _words(asset, folds[asset], fold) for asset in sorted(folds, key=order.index)
        )

    def photos_embedded(self, world):
        return world.backbone.n_tiles / self.tiles_each


def _words(asset, parts, fold):
    once = sorted(set(parts))
    again = [asset + f"[{part}]" for part in parts if parts.count(part) > 1][1:]
    if once == [""]:
        return asset
    if once == list(FOLDS):
        word = "all"
    elif once == [fold]:
        word = "k"
    elif once == [each for each in FOLDS if each != fold]:
        word = "not k"
    else:
        word = "+".join(once)
    return ", ".join([f"{asset}[{word}]", *(each.replace(f"[{fold}]", "[k]") for each in again)])


@contextmanager
def plain_pages():
    """A report without figures: what it shows does not matter here, and it takes a second."""
    judgement = biomass_pipeline.assets.judgement
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judgement, "make_report", _plain_report)
        patch.setattr(judgement, "draw_worst_maps", lambda *_, **__: {})
        yield


def _plain_report(inputs):
    return Report(f"<!doctype html>{inputs.config.name} {inputs.metrics}")


def build_template(folder, instance):
    """A farm whose whole graph ran once by itself: 12 photos of two tiles, and an unlabelled one.

    The condition brought it there, so what it remembers of its requests is there too.
    """
    farm = build_farm(folder)
    farm.photo(UNLABELLED, 222, blue=99)
    world = ByAutomation(farm, instance)
    world.write()
    world.settle()
    return world


def copy_of(template, kind, folder, instance):
    """The same project elsewhere, with all that Dagster remembers of it."""
    shutil.copytree(template.farm.folder, folder, dirs_exist_ok=True)
    for name in ("event_log_storage", "run_storage"):
        source, target = (getattr(each, name) for each in (template.instance, instance))
        _copy_database(source, target)
    return kind(Farm(folder, dict(template.farm.rows)), instance, template.cursor)


def _copy_database(source, target):
    """Both are SQLite in memory, each with one connection."""
    ask = "index_connection" if hasattr(source, "index_connection") else "connect"
    with getattr(source, ask)() as old, getattr(target, ask)() as new:
        old.connection.driver_connection.backup(new.connection.driver_connection)


def play(scenario, world):
    """Let it happen."""
    world.ran.clear()
    world.backbone.n_tiles = 0
    scenario.act(world)


def nothing(world):
    world.settle()


def observe_often(world):
    for _ in range(3):
        world.graph().observe()
    world.settle()


def touch(world):
    (world.farm.folder / "photos" / "s0n0.png").touch()
    world.settle()


def rename(world):
    photos = world.farm.folder / "photos"
    (photos / "s0n0.png").rename(photos / "other.png")
    world.farm.rows["other.png"] = world.farm.rows.pop("s0n0.png")
    world.write()
    world.settle()


def three_photos(world):
    for number in (7, 8, 9):
        world.add(0, number)
    world.write()
    world.settle()


def new_group(world):
    for number in (7, 8):
        world.add(6, number)
    world.write()
    world.settle()


def other_bytes(world):
    world.farm.photo("s0n0.png", 25, blue=77)
    world.settle()


def removed(world):
    (world.farm.folder / "photos" / "s0n0.png").unlink()
    del world.farm.rows["s0n0.png"]
    world.write()
    world.settle()


def other_label(world):
    world.farm.label("s0n0.png", "2024-05-01", 9.9)
    world.write()
    world.settle()


def labels_saved_again(world):
    world.farm.rows = dict(reversed(world.farm.rows.items()))
    world.write()
    world.settle()


def label_added(world):
    world.farm.label(UNLABELLED, "2024-05-01", 22.2)
    world.write()
    world.settle()


def unlabelled_photo(world):
    world.farm.photo("u1.png", 55, blue=11)
    world.settle()


def corrupt(world):
    (world.farm.folder / "photos" / "s0n0.png").write_bytes(b"\x89PNG\r\n\x1a\n rubbish")
    world.settle()


def configured(**sections):
    """Another configuration."""

    def act(world):
        world.write(**sections)
        world.settle()

    return act


def other_name(world):
    world.write()
    file = world.farm.folder / "biomass.yaml"
    file.write_text(file.read_text().replace("name: farm", "name: other"))
    world.settle()


def other_backbone(world):
    world.backbone.power = 2.0
    world.write(backbone={"name": "rcf"})
    world.settle()


def code_of(module, name, value):
    """Another version of a stage's code."""

    def act(world):
        world.patch(module, name, value)
        world.settle()

    return act


def deleted_file(world):
    (world.artefacts / "patch_index" / "fold_1.parquet").unlink()
    world.settle()


def deleted_network(world):
    pointer = world.artefacts / "checkpoints" / f"mil_checkpoint_{world.fold_of('s0n0')}.json"
    fingerprint = json.loads(pointer.read_text())["fingerprint"]
    fold = world.fold_of("s0n0")
    (world.artefacts / "checkpoints" / fingerprint / f"fold_{fold}" / "seed_0.ckpt").unlink()
    world.settle()


def failed_and_retried(world):
    world.add(0, 7)
    world.write()
    world.backbone.broken = True
    world.settle()
    world.backbone.broken = False
    world.retry_by_hand(Node("feature_cache", world.fold_of("s0n0")))
    world.settle()


def failed_and_changed(world):
    world.add(0, 7)
    world.write()
    world.backbone.broken = True
    world.settle()
    world.backbone.broken = False
    world.farm.photo("s0n7.png", 200, blue=200)
    world.settle()


_TABLES = "image_manifest, label_table, fold_assignment"
_LEARN = "mil_checkpoint[all], ridge_baseline[all], fold_predictions[all]"
_JUDGE = "oof_predictions, evaluation, report"
_PREDICT = "predictions, submission"
_NEW = f"inference_features, {_PREDICT}"
_ONE_FOLD = f"{_TABLES}, patch_index[all], feature_cache[k], {_LEARN}, {_JUDGE}, {_NEW}"

SCENARIOS = (
    Scenario("nothing happens", nothing),
    Scenario("three looks find nothing new", observe_often),
    Scenario("a photo is touched", touch),
    Scenario("a photo is renamed, in the label file too", rename, _ONE_FOLD, photo="s0n1"),
    Scenario("three photos arrive in one group", three_photos, _ONE_FOLD, embeds=3),
    Scenario("a new group of two photos arrives", new_group, _ONE_FOLD, embeds=2, photo="s6n7"),
    Scenario(
        "the bytes of a photo change",
        other_bytes,
        "image_manifest, label_table, patch_index[all], feature_cache[k], mil_checkpoint[not k], "
        f"ridge_baseline[not k], fold_predictions[all], {_JUDGE}, {_NEW}",
        embeds=1,
    ),
    Scenario("a photo and its label are removed", removed, _ONE_FOLD, photo="s0n1"),
    Scenario(
        "a photo becomes unreadable",
        corrupt,
        _ONE_FOLD,
        photo="s0n1",
    ),
    Scenario(
        "the value of a label changes", other_label, f"{_TABLES}, {_LEARN}, {_JUDGE}, {_PREDICT}"
    ),
    Scenario(
        "the label file is saved in another order",
        labels_saved_again,
        "image_manifest, label_table, report, submission",
    ),
    Scenario(
        "a photo without a label gets one",
        label_added,
        _ONE_FOLD,
        photo="u0",
    ),
    Scenario(
        "a photo without a label arrives",
        unlabelled_photo,
        f"image_manifest, label_table, patch_index[all], report, {_NEW}",
        embeds=1,
    ),
    Scenario(
        "another learning rate",
        configured(training={"learning_rate": 0.02}),
        # The ridge is chosen, so what is predicted in the end comes out the same.
        f"{_LEARN}, {_JUDGE}, predictions",
    ),
    Scenario(
        "another choice among the models",
        configured(training={"model": "mil"}),
        f"{_LEARN}, evaluation, report, {_PREDICT}",
    ),
    Scenario(
        "another stride of the tiles",
        configured(tiling={"stride_px": 8}),
        # Photos of one colour look the same in tiles of any stride.
        f"patch_index[all], feature_cache[all], {_LEARN}, {_JUDGE}, inference_features, "
        "predictions",
        embeds=13,
        tiles_each=3,
    ),
    Scenario(
        "another backbone",
        other_backbone,
        f"feature_cache[all], {_LEARN}, {_JUDGE}, {_NEW}",
        embeds=13,
    ),
    Scenario(
        "groups are dealt to other folds",
        configured(folds={"seed": 9}),
        f"fold_assignment, patch_index[all], feature_cache[all], {_LEARN}, {_JUDGE}, {_PREDICT}",
    ),
    Scenario("another name on the report", other_name, "report"),
    Scenario(
        "another area of the quadrat",
        configured(data={"quadrat_area_m2": 1.0}),
        f"evaluation, report, {_PREDICT}",
    ),
    Scenario(
        "other code of the scores",
        code_of(biomass_pipeline.assets.judgement, "_METRICS_CODE", "next"),
        "evaluation",
    ),
    Scenario("a table's file is deleted", deleted_file, "patch_index[1]"),
    Scenario("a network's file is deleted", deleted_network, "mil_checkpoint[k]"),
    Scenario(
        "a fold fails and is run again by hand",
        failed_and_retried,
        f"{_TABLES}, patch_index[all], feature_cache[k], feature_cache[k], {_LEARN}, {_JUDGE}, "
        f"{_NEW}",
        embeds=1,
    ),
    Scenario(
        "a fold fails, then its photo is replaced",
        failed_and_changed,
        f"{_TABLES}, image_manifest, label_table, patch_index[all], patch_index[all], "
        f"feature_cache[k], feature_cache[k], {_LEARN}, {_JUDGE}, {_NEW}, inference_features",
        embeds=1,
    ),
)
