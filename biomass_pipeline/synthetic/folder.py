"""A generated survey on disk: photos, labels, truth and the stamp of what made them."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from biomass_pipeline.config import DETECTION_LIMIT_G
from biomass_pipeline.errors import ForeignPhotosError
from biomass_pipeline.synthetic.plants import mass_raster
from biomass_pipeline.synthetic.scene import Pixels, grow_plants, paint_photo
from biomass_pipeline.synthetic.spec import COMPONENTS, SyntheticSpec
from biomass_pipeline.synthetic.survey import PhotoPlan, plan_survey

GENERATOR_VERSION = 1  # raise it whenever the same specification would give other bytes
STAMP = "synthetic.json"
TRUTH = "truth.parquet"
LABELS = "train.csv"
PHOTOS = "photos"

_PARTIAL = ".synthetic.partial"
_JPEG_QUALITY = 92
_LABORATORY_SD = 0.05
_LABEL_ORDER = ("Dry_Clover_g", "Dry_Dead_g", "Dry_Green_g", "Dry_Total_g", "GDM_g")


def write_photos(folder: Path, *, spec: SyntheticSpec) -> None:
    """Write a survey with a known truth: `photos/`, `train.csv` and `truth.parquet`.

    Nothing is written when the folder already holds this survey. Other files in it stay.

    Args:
        folder: Made when missing.
        spec: What to write.

    Raises:
        ForeignPhotosError: The folder holds photos or labels that were not generated here.
    """
    partial = folder / _PARTIAL
    stamp = json.dumps({"version": GENERATOR_VERSION, **asdict(spec)}, indent=2, sort_keys=True)
    if _holds(folder, stamp):
        return
    _refuse_strangers(folder)
    shutil.rmtree(partial, ignore_errors=True)
    (partial / PHOTOS).mkdir(parents=True)
    _write_survey(partial, spec)
    (partial / STAMP).write_text(stamp + "\n", encoding="utf-8")
    _move_in(partial, folder)


def truth_cell_px(spec: SyntheticSpec) -> int:
    """The side of a cell of the truth: a tenth of the photo's height."""
    return max(1, spec.height_px // 10)


def _holds(folder: Path, stamp: str) -> bool:
    file = folder / STAMP
    if (folder / _PARTIAL).exists() or not file.exists():
        return False
    complete = (
        (folder / PHOTOS).is_dir() and (folder / LABELS).exists() and (folder / TRUTH).exists()
    )
    return complete and file.read_text(encoding="utf-8").strip() == stamp


def _refuse_strangers(folder: Path) -> None:
    if (folder / STAMP).exists() or (folder / _PARTIAL).exists():
        return
    found = [name for name in (PHOTOS, LABELS, TRUTH) if (folder / name).exists()]
    if found:
        raise ForeignPhotosError(folder, found)


def _move_in(partial: Path, folder: Path) -> None:
    """Swap the finished parts in; the survey is unfinished while the partial folder exists."""
    old = folder / PHOTOS
    if old.exists():
        old.replace(partial / "old")
    for name in (PHOTOS, LABELS, TRUTH, STAMP):
        (partial / name).replace(folder / name)
    shutil.rmtree(partial)


def _write_survey(folder: Path, spec: SyntheticSpec) -> None:
    labels: list[dict[str, str]] = []
    truths: list[pd.DataFrame] = []
    for index, plan in enumerate(plan_survey(spec)):
        chance = np.random.default_rng([spec.seed, 1, index])
        photo, rasters = _draw(plan, spec, chance)
        _write_jpeg(folder / PHOTOS / f"{plan.image_id}.jpg", photo)
        drawn_g = rasters.sum(axis=(1, 2)) if plan.weighed_g is None else plan.weighed_g
        labels.extend(_label_rows(plan, drawn_g, chance))
        truths.append(_truth_rows(plan.image_id, rasters, truth_cell_px(spec)))
    pd.DataFrame(labels).to_csv(folder / LABELS, index=False, lineterminator="\n")
    pd.concat(truths, ignore_index=True).to_parquet(folder / TRUTH, index=False)


def _draw(
    plan: PhotoPlan, spec: SyntheticSpec, chance: np.random.Generator
) -> tuple[Pixels, NDArray[np.float64]]:
    shape_px = (spec.height_px, spec.width_px)
    plants = grow_plants(plan.drawn_g, shape_px=shape_px, chance=chance)
    cell_px = truth_cell_px(spec)
    rasters = [mass_raster(component, shape_px=shape_px, cell_px=cell_px) for component in plants]
    return paint_photo(plan, plants, shape_px=shape_px, chance=chance), np.stack(rasters)


def _write_jpeg(file: Path, photo: Pixels) -> None:
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    file.write_bytes(data.tobytes())


def _label_rows(
    plan: PhotoPlan, drawn_g: NDArray[np.float64], chance: np.random.Generator
) -> Iterator[dict[str, str]]:
    mass = _weigh(drawn_g, chance)
    visit = plan.visit
    green_share = 1 - np.exp(-mass["GDM_g"] / 30)
    ndvi = np.clip(0.25 + 0.6 * green_share + chance.normal(0, 0.05), 0.1, 0.92)
    height_cm = np.clip(2 + 0.25 * mass["Dry_Total_g"] * np.exp(chance.normal(0, 0.35)), 1, 70)
    for target in _LABEL_ORDER:
        yield {
            "sample_id": f"{plan.image_id}__{target}",
            "image_path": f"{PHOTOS}/{plan.image_id}.jpg",
            "Sampling_Date": f"{visit.date.year}/{visit.date.month}/{visit.date.day}",
            "State": visit.state.name,
            "Species": visit.state.species,
            "Pre_GSHH_NDVI": f"{ndvi:.2f}",
            "Height_Ave_cm": f"{height_cm:.4f}",
            "target_name": target,
            "target": f"{mass[target]:.4f}",
        }


def _weigh(drawn_g: NDArray[np.float64], chance: np.random.Generator) -> dict[str, float]:
    """What the laboratory writes down: noise, detection limit, four decimals, exact sums."""
    noisy = drawn_g * np.exp(chance.normal(0, _LABORATORY_SD, len(drawn_g)))
    seen = np.where(noisy < DETECTION_LIMIT_G, 0.0, np.round(noisy, 4))
    mass = dict(zip(COMPONENTS, seen.tolist(), strict=True))
    mass["GDM_g"] = round(mass["Dry_Green_g"] + mass["Dry_Clover_g"], 4)
    mass["Dry_Total_g"] = round(mass["GDM_g"] + mass["Dry_Dead_g"], 4)
    return mass


def _truth_rows(image_id: str, rasters: NDArray[np.float64], cell_px: int) -> pd.DataFrame:
    _, rows, columns = rasters.shape
    row, column = np.divmod(np.arange(rows * columns, dtype=np.int32), np.int32(columns))
    masses = {
        name: raster.ravel().astype(np.float32)
        for name, raster in zip(COMPONENTS, rasters, strict=True)
    }
    return pd.DataFrame(
        {"image_id": image_id, "row_px": row * cell_px, "col_px": column * cell_px, **masses}
    )
