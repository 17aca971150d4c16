"""Photo folders in memory and on disk, and label files, written for a test."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from biomass_pipeline.config import DataConfig, TargetConfig

CSIRO_HEADER = (
    "sample_id,image_path,Sampling_Date,State,Species,Pre_GSHH_NDVI,Height_Ave_cm,"
    "target_name,target"
)


@pytest.fixture
def photo():
    """Bytes of a small photo; another number, another picture."""

    def make(number=0, kind="PNG", *, height=6, width=9, **options):
        pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
        stream = BytesIO()
        Image.fromarray(pixels).save(stream, kind, **options)
        return stream.getvalue()

    return make


@pytest.fixture
def put(tmp_path):
    """Write a file below a folder of the test's own; its path comes back."""

    def write(path, content):
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        return target

    return write


@pytest.fixture
def csiro_rows():
    """The five lines of one image in the long layout."""

    def lines(image, *, date="2015/9/4", state="WA", green=1.0, dead=2.0, clover=3.0, **other):
        masses = {"Dry_Green_g": green, "Dry_Dead_g": dead, "Dry_Clover_g": clover}
        masses |= {"GDM_g": green + clover, "Dry_Total_g": green + clover + dead, **other}
        return [
            f"{image}__{name},train/{image}.png,{date},{state},Rye_Clover,0.62,4.5,{name},{mass}"
            for name, mass in masses.items()
        ]

    return lines


@pytest.fixture
def csiro(put, csiro_rows):
    """Write a CSIRO file of the images given."""

    def write(*images, edit=lambda lines: lines):
        rows = [line for image in images for line in csiro_rows(**image)]
        put("train.csv", "\n".join(edit([CSIRO_HEADER, *rows])) + "\n")
        return "train.csv"

    return write


@pytest.fixture
def wide_spec():
    return DataConfig(
        layout="wide",
        date_column="date",
        targets=(TargetConfig(name="mass"),),
        identities={},
        group_columns=("date",),
    )
