"""Runs a kernel's script as an image of Kaggle would: no network, no source tree, few packages.

    python -I image.py SCRIPT

Not a test. A package that Kaggle's image may lack is missing here as well.
"""

import importlib.abc
import runpy
import socket
import sys
from pathlib import Path

LACKING = {
    "altair",
    "dagster",
    "dagster_webserver",
    "jinja2",
    "optuna",
    "pyvips",
    "rasterio",
    "ray",
    "sqlalchemy",
    "tensorboard",
    "torchmil",
    "typer",
    "vl_convert",
}


class Lacking(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in LACKING:
            message = f"No module named {name!r} in this image"
            raise ModuleNotFoundError(message, name=name)


def refuse(*_, **__):
    message = "a kernel without internet"
    raise OSError(message)


if __name__ == "__main__":
    # The environment may hold an editable installation of the source tree.
    sys.path[:] = [place for place in sys.path if not (Path(place) / "biomass_pipeline").exists()]
    sys.meta_path.insert(0, Lacking())
    socket.socket.connect = refuse
    socket.getaddrinfo = refuse
    runpy.run_path(sys.argv[1], run_name="__main__")
