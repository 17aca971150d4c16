"""Extraction against its limits and its rivals, as ratios in one run; for an idle machine.

Usage: python benchmarks/extraction.py [RESULT.json] [--device cuda] [--models NAME ...] [--quick]

Measured: decode and cut; each network beside matrix products of its shape, in each precision; the
pipeline from files to the finished cache beside the bare network; and, on a CPU's quickest model or
a GPU's first, a naive loop and a loop shaped like published tools beside ours, on the same photos.
"""

import argparse
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import torch
from device_profile import time_by_kind
from numpy.typing import NDArray
from rivals import apart, naive, peer
from verdicts import Target, finish

from biomass_pipeline.benchmark import (
    Benchmark,
    Effort,
    ModelRates,
    Plan,
    as_json,
    fastest,
    measure,
    named_backbone,
)
from biomass_pipeline.benchmark.backbones import FOLD, bare, pipeline
from biomass_pipeline.benchmark.decoding import cut_picture, tile_coords
from biomass_pipeline.benchmark.pictures import Pictures, write_pictures
from biomass_pipeline.config import BackboneConfig, ComputeConfig, Config
from biomass_pipeline.features import Backbone, build_lanes
from biomass_pipeline.features.loading import load_network
from biomass_pipeline.layout import Layout
from biomass_pipeline.store import FeatureFolder

SMALL, LARGE = "vit_small_patch14_reg4_dinov2", "vit_large_patch14_reg4_dinov2"
MODELS = {"cpu": (SMALL, LARGE), "cuda": (LARGE, SMALL)}
# Photos that rivals and we embed in one turn, 15 tiles each.
RIVAL_PHOTOS = {"cpu": 2, "cuda": 32}
RIVAL_ROUNDS = 2
GOALS = {
    "cpu": {"fp32": 0.80, "bf16": 0.60, "pipeline": 0.95, "naive": 3.5},
    "cuda": {"bf16": 0.50, "tiles_per_s": 400.0},
}
DECODE_MS, DECODE_MB = 8.0, 20.0
# Slower than this, 30 tiles by four ways take more than minutes.
LEAST_TILES_PER_S = 0.4


def main() -> None:
    """Measure, print, and write the result where it is wanted."""
    asked = _asked()
    kind = torch.device(asked.device).type
    device = "cuda:0" if asked.device == "cuda" else asked.device
    names = tuple(asked.models or MODELS[kind])
    plan = Plan(
        config=Config(compute=ComputeConfig(device=device)),
        backbones=tuple(map(named_backbone, names)),
        devices=(device,),
        turn_s=2.0 if asked.quick else 4.0,
        effort=Effort(rounds=1 if asked.quick else 3),
        on_step=lambda step: print(f"  {step}", flush=True),
    )
    found = measure(plan)
    with TemporaryDirectory(prefix="biomass_rivals_") as folder:
        rival_model = _rival_model(found.models, kind)
        against = (
            rivals(plan, rival_model, Path(folder), n_photos=RIVAL_PHOTOS[kind])
            if rival_model
            else {"ratios": {}}
        )
        profiles = {model.model: profiled(plan, model, Path(folder)) for model in found.models}
    finish(
        asked.result,
        ratios=ratios(found) | against["ratios"],
        targets=[*targets(found, kind), *_rival_targets(against, kind)],
        details={"rivals": against, "profile": profiles, "measured": as_json(found)},
        devices=[device],
    )


def ratios(found: Benchmark) -> dict[str, float]:
    """All that can be compared between machines."""
    return {
        f"{model}: {name.replace('_', ' ')}": ratio
        for model, some in as_json(found)["ratios"].items()
        for name, ratio in some.items()
    }


def targets(found: Benchmark, kind: str) -> list[Target]:
    """What was promised for this kind of device."""
    decode, goals = found.decode, GOALS[kind]
    photo = f"{decode.height_px} x {decode.width_px} px"
    listed = [Target(f"decode and cut {photo}, ms", DECODE_MS, decode.seconds * 1000, at_most=True)]
    if decode.extra_bytes is not None:
        extra_mb = decode.extra_bytes / 1e6
        listed.append(Target(f"memory for it, MB ({photo})", DECODE_MB, extra_mb, at_most=True))
    for model in found.models:
        listed.extend(_model_targets(model, goals))
    return listed


def _model_targets(model: ModelRates, goals: dict[str, float]) -> list[Target]:
    listed = []
    if model.model == LARGE:
        for rate in model.precisions:
            over = model.over_gemm(rate)
            if rate.precision in goals and over is not None:
                what = f"{model.model} {rate.precision} over products"
                listed.append(Target(what, goals[rate.precision], over))
        if "tiles_per_s" in goals:
            what = f"{model.model} pipeline, tiles/s"
            listed.append(Target(what, goals["tiles_per_s"], model.pipeline_tiles_per_s))
    if "pipeline" in goals:
        what = f"{model.model} pipeline over bare"
        listed.append(Target(what, goals["pipeline"], model.pipeline_over_bare))
    return listed


def _rival_model(models: Sequence[ModelRates], kind: str) -> ModelRates | None:
    """The first on a GPU, the quickest on a CPU; none whose rivals would take many minutes."""
    model = models[0] if kind == "cuda" else max(models, key=lambda one: one.bare_tiles_per_s)
    if min(rate.tiles_per_s for rate in model.precisions) >= LEAST_TILES_PER_S:
        return model
    print(f"  {model.model} is too slow here to be run by rivals as well", flush=True)
    return None


def _rival_targets(against: dict[str, Any], kind: str) -> list[Target]:
    if "naive" not in GOALS[kind] or not against["ratios"]:
        return []
    ratio = against["ratios"]["ours over naive"]
    return [Target("ours over the naive way, end to end", GOALS[kind]["naive"], ratio)]


def rivals(plan: Plan, model: ModelRates, folder: Path, *, n_photos: int) -> dict[str, Any]:
    """Embed the same photos by the naive loop, a peer's loop, and ours by default and in fp32."""
    name = model.model
    print(f"  {name}: the naive way, a peer's loop and ours on {n_photos} photos", flush=True)
    tiling, device = plan.config.tiling, plan.devices[0]
    pictures = write_pictures(folder / "rivals", [plan.photo_px] * n_photos)
    coords = tile_coords(plan.photo_px, tiling)
    photos = {pictures.folder / path: coords for path in pictures.table["path"]}
    network = load_network(name, None, tile_px=tiling.tile_px).eval().to(device)
    ours, exact = (_lanes(plan, name, precision) for precision in (model.precision, "fp32"))
    turns = count()

    with ExitStack() as stack:
        slow, published = (_rival(stack, way, photos, network, plan=plan) for way in (naive, peer))
        calls = {
            "ours": _pipeline(plan, name, ours, pictures, folder / "ours"),
            "naive": lambda: slow(folder / f"rival_{next(turns)}"),
            "ours fp32": _pipeline(plan, name, exact, pictures, folder / "exact"),
            "peer": lambda: published(folder / f"rival_{next(turns)}"),
        }
        took = fastest(calls, effort=Effort(rounds=min(plan.effort.rounds, RIVAL_ROUNDS)))
    n_tiles = len(coords) * n_photos
    return {
        "ratios": {
            "ours over naive": took["naive"] / took["ours"],
            "ours over naive, both fp32": took["naive"] / took["ours fp32"],
            "ours over peer": took["peer"] / took["ours"],
        },
        "model": name,
        "our_precision": ours[0].precision,
        "n_photos": n_photos,
        "tiles_per_s": {way: n_tiles / seconds for way, seconds in took.items()},
        "least_cosine_fp32_to_naive": _agreement(folder),
    }


def _rival(
    stack: ExitStack,
    way: Callable[..., None],
    photos: dict[Path, NDArray[np.int32]],
    network: torch.nn.Module,
    *,
    plan: Plan,
) -> Callable[[Path], None]:
    """A call that embeds the photos in a rival's way: on a CPU in a process of its own."""
    tile_px, device = plan.config.tiling.tile_px, plan.devices[0]
    if device == "cpu":
        return stack.enter_context(apart(way, photos, network, tile_px=tile_px))
    return lambda output: way(photos, network, tile_px=tile_px, device=device, output=output)


def profiled(plan: Plan, model: ModelRates, folder: Path) -> dict[str, float]:
    """Where the bare network's time goes, in the precision that the pipeline uses."""
    print(f"  {model.model}: profile in {model.precision}", flush=True)
    lanes = _lanes(plan, model.model, model.precision)
    tiles = cut_picture(plan, folder / "tiles")
    device, some = plan.devices[0], tiles[:2]
    if not device.startswith("cuda"):
        # Operators are seen in this thread only; kernels are seen wherever they come from.
        return time_by_kind(lambda: lanes[0].embed(some), device=device)
    return time_by_kind(bare(lanes, tiles, n_tiles=16 * lanes[0].batch_size), device=device)


def _lanes(plan: Plan, name: str, precision: str) -> list[Backbone]:
    return build_lanes(
        _spec(name, precision),
        tile_px=plan.config.tiling.tile_px,
        devices=plan.devices,
        batch_size="auto",
    )


def _pipeline(
    plan: Plan, name: str, lanes: list[Backbone], pictures: Pictures, root: Path
) -> Callable[[], None]:
    return pipeline(_spec(name, "auto"), lanes, plan=plan, pictures=pictures, root=root)


def _spec(name: str, precision: str) -> BackboneConfig:
    return named_backbone(name).model_copy(update={"precision": precision})


def _agreement(folder: Path) -> float:
    """That both ways gave the same features: the least cosine between ours in fp32 and naive's."""
    naive_file = next(path for path in sorted(folder.glob("rival_*")) if path.is_file())
    cache = FeatureFolder(Layout(folder / "exact" / "turn_0")).open(FOLD, "benchmark").load()
    with h5py.File(naive_file) as file:
        pairs = [
            (cache.bag(i), file[name]["features"][...]) for i, name in enumerate(cache.image_ids)
        ]
    return min(_cosine(*pair) for pair in pairs)


def _cosine(one: NDArray[Any], two: NDArray[Any]) -> float:
    one, two = one.astype(np.float64), two.astype(np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    return float(((one * two).sum(axis=1) / lengths).min())


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("result", type=Path, nargs="?", help="JSON file to write")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--models", nargs="*", help="networks in timm's naming")
    parser.add_argument("--quick", action="store_true", help="one short turn: to try it out")
    return parser.parse_args()


if __name__ == "__main__":
    main()
