"""What a page takes for granted beside the farm that the README leaves behind."""

import shutil

import pandas as pd

from biomass_pipeline.synthetic import SyntheticSpec, write_photos
from biomass_pipeline_tests.rasters import PLACED, geotiff, smooth


def mapped(folder):
    """The photo that the page maps, and a mosaic with map coordinates."""
    shutil.copy(folder / "photos" / "plot_a_1.jpg", folder / "photos" / "ID1031348209.jpg")
    (folder / "ortho.tif").write_bytes(geotiff(smooth(48, 64), **PLACED))


def cut(folder):
    """Cuts of a new site, by the names of the photos; no bundle yet."""
    shutil.rmtree(folder / "bundle")
    labels = pd.read_csv(folder / "labels.csv").iloc[:5]
    labels.assign(mass_g=1.3 * labels["mass_g"]).to_csv(folder / "cuts.csv", index=False)


def submitted(folder):
    """The order of a competition, of photos that were predicted."""
    predicted = pd.read_parquet(folder / "data" / "field" / "predictions" / "predictions.parquet")
    order = predicted["image_id"] + "__" + predicted["target"]
    pd.DataFrame({"sample_id": order[::-1], "target": 0.0}).to_csv(
        folder / "sample_submission.csv", index=False
    )


def downloaded(folder):
    """Nothing but a competition's files, as they come out of its archive."""
    for each in folder.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    spec = SyntheticSpec(n_photos=24, n_sessions=12, height_px=40, width_px=80)
    write_photos(folder / "csiro", spec=spec)


# Pages whose commands are run, in this order from a copy of the farm each.
SCENES = {
    "docs/explanation/fingerprints.md": None,
    "docs/how-to/gpu.md": None,
    "docs/how-to/orthomosaics.md": None,
    "docs/how-to/other-formats.md": None,
    "docs/how-to/own-photos.md": None,
    "docs/how-to/schedule.md": None,
    "docs/inference.md": cut,
    "docs/kaggle.md": submitted,
    "docs/maps.md": mapped,
    "docs/tutorial/csiro.md": downloaded,
}
