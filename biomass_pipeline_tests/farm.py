"""A farm of tiny photos whose mass can be seen by eye, and a project on it."""

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from biomass_pipeline.features import embed_here
from biomass_pipeline.orchestration import Graph, Node, build_definitions, build_resources
from biomass_pipeline.project import Project

COLUMNS = ["image_path", "date", "mass_g"]
# One dealing in groups and one photo by photo: two partitions.
PROTOCOLS = {
    "group_seeds": 1,
    "leave_out": [],
    "forward_parts": 0,
    "random_seeds": 1,
    "learning_curve": [],
}
SETTINGS = {
    "name": "farm",
    "root": "artefacts",
    "data": {
        "images": "photos",
        "labels": "labels.csv",
        "layout": "wide",
        "date_column": "date",
        "targets": [{"name": "mass_g"}],
        "identities": {},
        "group_columns": ["date"],
        "quadrat_area_m2": 0.5,
    },
    "folds": {"n_folds": 3},
    "tiling": {"tile_px": 16, "stride_px": 16},
    "training": {
        "epochs": 2,
        "n_seeds": 1,
        "hidden_dim": 4,
        "attention_dim": 4,
        "ridge": {"poolings": ["mean"], "relevances": [0.0], "alphas": [0.1, 1.0]},
    },
    "evaluation": {"n_draws": 20, "n_resamples": 100, "protocols": PROTOCOLS},
    "tuning": {"n_trials": 2},
}


class MeanColourBackbone:
    """Embeds a tile as its mean colour: three numbers a test can compute by eye."""

    name = "mean-colour"
    feature_dim = 3
    tile_px = 16
    weights_sha256 = ""
    precision = "fp32"
    batch_size = 4

    def __init__(self, identity):
        self.identity = identity

    def embed(self, tiles):
        return tiles.mean(axis=(1, 2), dtype=np.float32)


@dataclass
class CountingBackbone:
    """Gives the mean-colour backbone, counts the tiles that it embeds, and fails on some blues."""

    n_tiles: int = 0
    version: str = "1"
    fails_on_blue: int = -1

    def identity(self):
        return {"name": "mean-colour", "version": self.version}

    def build(self):
        counter = self

        class Counted(MeanColourBackbone):
            def embed(self, tiles):
                if (tiles[..., 2] == counter.fails_on_blue).any():
                    raise RuntimeError("no memory left on the device")
                counter.n_tiles += len(tiles)
                return super().embed(tiles)

        return [Counted(self.identity())]

    def engine(self):
        return embed_here


@dataclass
class Farm:
    """Photos of 16 x 32 px (two tiles); mass in grams = green of the plain colour / 10."""

    folder: Path
    rows: dict[str, tuple[str, float]] = field(default_factory=dict)

    def photo(self, name, green, *, blue=0):
        path = self.folder / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 16), (90, green, blue)).save(path)
        return path

    def label(self, name, date, mass_g):
        self.rows[name] = (date, mass_g)

    def write(self, **sections):
        """Write the label file and the configuration."""
        with (self.folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            table.writerows([name, *row] for name, row in self.rows.items())
        settings = SETTINGS | {
            name: {**SETTINGS.get(name, {}), **section} for name, section in sections.items()
        }
        (self.folder / "biomass.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    def project(self):
        return Project.open(self.folder / "biomass.yaml", environment={})


def build_farm(folder, *, n_sessions=6, per_session=2):
    """Sessions on six dates, two photos each, all different."""
    farm = Farm(folder)
    for session in range(n_sessions):
        for number in range(per_session):
            name = f"s{session}n{number}.png"
            green = 20 + 37 * session % 200 + 11 * number
            farm.photo(name, green, blue=session)
            farm.label(name, f"2024-05-{session + 1:02d}", green / 10)
    farm.write()
    return farm


def graph_of(project, instance, *, backbone=None, **resources):
    """The project's graph on disk, with the counting backbone in place of the configured one."""
    built = build_resources(project)
    built["backbone"] = backbone or CountingBackbone()
    return Graph(build_definitions(project, resources=built | resources), instance)


def run_all(graph):
    """What runs until everything is up to date, as a set of names."""
    graph.observe()
    return sorted(str(node) for node in graph.run(graph.select(), on_step=lambda _: None))


def every(asset, n_folds=3):
    """The names of an asset's folds."""
    return [str(Node(asset, str(fold))) for fold in range(n_folds)]
