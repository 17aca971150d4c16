"""To Kaggle and back: folders for its command line, and what its kernels call, without Dagster.

What may live here: where Kaggle puts files, what its command line accepts, and the whole way from
photos to a submission as one walk through the domain. Nothing is printed: kernels say it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from biomass_pipeline.kaggle.folders import Account, Export, write_folders
    from biomass_pipeline.kaggle.kernels import extract_caches, train_and_submit
    from biomass_pipeline.kaggle.tree import Tree

__all__ = ["Account", "Export", "Tree", "extract_caches", "train_and_submit", "write_folders"]

_MODULES = {
    "Account": "folders",
    "Export": "folders",
    "Tree": "tree",
    "extract_caches": "kernels",
    "train_and_submit": "kernels",
    "write_folders": "folders",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401  # any public name
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    # Who writes folders needs no torch, and a kernel no folders.
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
