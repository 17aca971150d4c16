"""The folders that `biomass export kaggle` writes, each for one call of Kaggle's command line."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from biomass_pipeline import __version__
from biomass_pipeline.config import Config
from biomass_pipeline.errors import (
    FileInTheWayError,
    KaggleNameError,
    MissingCacheError,
    MissingInputError,
    OccupiedFolderError,
)
from biomass_pipeline.features import backbone_identity, extraction_fingerprint, fetch_weights
from biomass_pipeline.features.registry import source_of
from biomass_pipeline.kaggle.estimate import LIMIT_HOURS
from biomass_pipeline.kaggle.metadata import (
    DATASET_FILE,
    KERNEL_FILE,
    DatasetMetadata,
    KernelMetadata,
    Licence,
    title_of,
)
from biomass_pipeline.kaggle.notebook import as_notebook
from biomass_pipeline.kaggle.wheel import write_wheel
from biomass_pipeline.layout import Layout
from biomass_pipeline.store.naming import cache_files

COMPETITION = "csiro-biomass"
SCRIPT, NOTEBOOK = "script.py", "notebook.ipynb"
READ_ME, REQUIREMENTS = "README.md", "requirements.txt"
# What an export consists of.
_PARTS = ("wheel", "weights", "extract", "caches", "submit", READ_ME)
CachesFrom = Literal["kernel", "dataset", "project"]
# Sections that a kernel uses; `data` without its places, which are Kaggle's there.
_SECTIONS = ("folds", "tiling", "imaging", "backbone", "cache", "training", "evaluation")
_PLACES = {"images", "labels", "submission"}
# What the way of the kernels imports, and Kaggle's image has not always had. Everything else is
# in it, or is imported only where it is needed: TIFF by rasterio, huge JPEG by pyvips.
MAY_LACK = ("filelock", "h5py", "pytorch-lightning", "safetensors", "timm")


@dataclass(frozen=True)
class Account:
    """Whose kernels and datasets they are, and how they are called.

    Attributes:
        user: The name in the address of a profile.
        slug: What all their names start with.
    """

    user: str
    slug: str

    def reference(self, part: str) -> str:
        """`user/slug-part`."""
        return f"{self.user}/{self.slug}-{part}"


@dataclass(frozen=True)
class Export:
    """What is to be exported.

    Attributes:
        account: Whose it is.
        config: The project's.
        base: What a relative `backbone.checkpoint` is relative to.
        competition: The competition's slug.
        weights_dataset: A dataset with the backbone's weights, OWNER/SLUG.
        caches_from: What the second kernel reads: the first one's output, the dataset of caches
            that is made of it, or a dataset of the project's own caches.
        caches: The project's own, for the last.
        notebooks: Whether kernels are notebooks, else scripts.
        limit_hours: The competition's.
    """

    account: Account
    config: Config
    base: Path = Path()
    competition: str = COMPETITION
    weights_dataset: str | None = None
    caches_from: CachesFrom = "kernel"
    caches: tuple[Path, ...] = ()
    notebooks: bool = False
    limit_hours: float = LIMIT_HOURS

    @property
    def needs_weights(self) -> bool:
        """Whether the backbone is a network that has to be given weights."""
        backbone = self.config.backbone
        return isinstance(source_of(backbone), str) and not backbone.random_weights

    @property
    def own_weights(self) -> Path | None:
        """The file of weights that becomes a dataset of this export."""
        named = self.config.backbone.checkpoint
        if not self.needs_weights or named is None or self.weights_dataset is not None:
            return None
        return self.base / Path(named).expanduser()

    @property
    def weights(self) -> str | None:
        """The dataset of weights that kernels are given."""
        if self.own_weights is not None:
            return self.account.reference("weights")
        return self.weights_dataset

    @property
    def downloads(self) -> bool:
        """Whether the first kernel has to fetch the weights itself; it leaves them as output."""
        return self.needs_weights and self.weights is None

    def settings(self) -> str:
        """What differs from the defaults, as YAML for the kernels' scripts."""
        plain: dict[str, Any] = self.config.model_dump(
            mode="json",
            exclude_defaults=True,
            include=set(_SECTIONS),
            exclude={"cache": {"read_from"}},
        )
        data = self.config.data.model_dump(mode="json", exclude_defaults=True, exclude=_PLACES)
        if data:
            plain = {"data": data, **plain}
        if "checkpoint" in plain.get("backbone", {}):
            plain["backbone"]["checkpoint"] = Path(plain["backbone"]["checkpoint"]).name
        if not plain:
            return "# training: {epochs: 60, n_seeds: 5}"
        return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).rstrip()

    def extract_metadata(self) -> KernelMetadata:
        """Of the first kernel."""
        return self._kernel("features", self._datasets(), internet=self.downloads)

    def submit_metadata(self) -> KernelMetadata:
        """Of the second kernel; a code competition takes only kernels without internet."""
        datasets, caches = self._datasets(), self.account.reference("caches")
        # What the first kernel fetched is in its output only.
        first = (self.account.reference("features"),)
        kernels = first if self.caches_from == "kernel" or self.downloads else ()
        if self.caches_from != "kernel":
            datasets = (*datasets, caches)
        return self._kernel("submit", datasets, kernels=kernels)

    def dataset_metadata(self, part: str, *, licence: str, what: str) -> DatasetMetadata:
        """Of the dataset of the wheel, the caches or the weights."""
        slug = f"{self.account.slug}-{part}"
        return DatasetMetadata(
            id=self.account.reference(part),
            title=title_of(slug),
            licenses=(Licence(name=licence),),
            description=what,
        )

    def _datasets(self) -> tuple[str, ...]:
        wheel = self.account.reference("wheel")
        return (wheel,) if self.weights is None else (wheel, self.weights)

    def _kernel(
        self,
        part: str,
        datasets: tuple[str, ...],
        *,
        kernels: tuple[str, ...] = (),
        internet: bool = False,
    ) -> KernelMetadata:
        return KernelMetadata(
            id=self.account.reference(part),
            title=title_of(f"{self.account.slug}-{part}"),
            code_file=NOTEBOOK if self.notebooks else SCRIPT,
            kernel_type="notebook" if self.notebooks else "script",
            enable_gpu=True,
            enable_internet=internet,
            dataset_sources=datasets,
            competition_sources=(self.competition,),
            kernel_sources=kernels,
        )


def write_folders(export: Export, folder: Path, *, force: bool = False) -> list[Path]:
    """Write `wheel/`, `extract/`, `caches/`, `submit/`, where needed `weights/`, and a README.

    Args:
        export: What is exported.
        folder: Where to; made if missing.
        force: Write over an earlier export.

    Returns:
        The folders, in the order in which they are pushed.

    Raises:
        KaggleNameError: Kaggle would refuse a name.
        MissingInputError: The backbone's weights are not there.
        FileInTheWayError: An export is there.
        OccupiedFolderError: Something else is there.
    """
    try:
        plan = dict(_planned(export))
    except ValidationError as error:
        raise KaggleNameError([str(each["msg"]) for each in error.errors()]) from None
    if (weights := export.own_weights) is not None and not weights.is_file():
        raise MissingInputError("file of weights", str(weights), option="backbone.checkpoint")
    _refuse_strangers(folder, force=force)
    for name, metadata in plan.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        kernel = isinstance(metadata, KernelMetadata)
        metadata.write(folder / name / (KERNEL_FILE if kernel else DATASET_FILE))
        if isinstance(metadata, KernelMetadata):
            code = script(export, name)
            text = as_notebook(code) if export.notebooks else code
            (folder / name / metadata.code_file).write_text(text, encoding="utf-8")
    write_wheel(folder / "wheel")
    needed = "".join(f"{name}\n" for name in MAY_LACK)
    (folder / "wheel" / REQUIREMENTS).write_text(needed, encoding="utf-8")
    if weights is not None:
        _link(weights, folder / "weights" / weights.name)
    for path in export.caches:
        _link(path, folder / "caches" / path.name)
    (folder / READ_ME).write_text(_read_me(export, plan), encoding="utf-8")
    return [folder / name for name in plan]


def _refuse_strangers(folder: Path, *, force: bool) -> None:
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if strangers := [name for name in found if name not in _PARTS]:
        raise OccupiedFolderError(folder, strangers, wanted="export for Kaggle")
    if found and not force:
        raise FileInTheWayError(folder, option="--force")


def project_caches(config: Config, *, layout: Layout, base: Path) -> tuple[Path, ...]:
    """The caches that a project has under its configuration.

    Args:
        config: The project's.
        layout: Where its artefacts are.
        base: What a relative `backbone.checkpoint` is relative to.

    Raises:
        MissingCacheError: There are none yet.
        MissingWeightsError: The backbone's weights are not to be had, so nobody knows their hash.
    """
    fetch_weights(config.backbone, base=base)
    identity = backbone_identity(config.backbone, base=base)
    folder = layout.features(extraction_fingerprint(config, identity))
    found = tuple(cache_files(folder, ".h5"))
    if not found:
        raise MissingCacheError(folder)
    return found


def script(export: Export, name: str) -> str:
    """The script of a kernel: `extract` or `submit`."""
    text = files("biomass_pipeline.kaggle").joinpath("scripts", f"{name}.py.txt").read_text("utf-8")
    return Template(text).substitute(
        version=__version__,
        settings=export.settings(),
        hours=f"{export.limit_hours:g}",
        wheel=export.account.reference("wheel"),
        other_versions=export.caches_from == "project",
    )


def _planned(export: Export) -> Iterator[tuple[str, KernelMetadata | DatasetMetadata]]:
    """Each folder with its metadata, in the order in which they are pushed."""
    yield (
        "wheel",
        export.dataset_metadata(
            "wheel", licence="apache-2.0", what=f"biomass-pipeline {__version__}, as a wheel."
        ),
    )
    if export.own_weights is not None:
        what = f"Weights of {export.config.backbone.name}; their licence is their authors'."
        yield "weights", export.dataset_metadata("weights", licence="other", what=what)
    yield "extract", export.extract_metadata()
    yield (
        "caches",
        export.dataset_metadata(
            "caches", licence="other", what=f"Features of the photos of {export.competition}."
        ),
    )
    yield "submit", export.submit_metadata()


def _link(source: Path, place: Path) -> None:
    """Large files get a second name where the disk has such, and are copied elsewhere."""
    place.unlink(missing_ok=True)
    try:
        os.link(source.resolve(), place)
    except OSError:
        shutil.copyfile(source, place)


def _read_me(export: Export, plan: dict[str, KernelMetadata | DatasetMetadata]) -> str:
    """What to type, in order."""
    features, submit = export.account.reference("features"), export.account.reference("submit")
    steps = ["kaggle datasets create -p wheel"]
    if "weights" in plan:
        steps.append("kaggle datasets create -p weights")
    if export.caches_from != "project" or export.downloads:
        steps += ["kaggle kernels push -p extract", f"kaggle kernels status {features}"]
    if export.caches_from == "dataset":
        steps.append(
            f"kaggle kernels output {features} -p output && mv output/features/*/*.h5 caches/"
        )
    if export.caches_from != "kernel":
        steps.append("kaggle datasets create -p caches")
    steps += ["kaggle kernels push -p submit", f"kaggle kernels status {submit}"]
    typed = "\n".join(steps)
    return (
        f"# To Kaggle in two kernels\n\nWritten by `biomass export kaggle`, biomass-pipeline "
        f"{__version__}. Join the competition first; then, here, and waiting for each kernel to "
        f"be complete:\n\n```\n{typed}\n```\n\nThen open "
        f"https://www.kaggle.com/code/{submit} and choose *Submit to Competition*: Kaggle runs it "
        f"again on the hidden test photos. Next time it is `kaggle datasets version -p wheel -m "
        f'"new wheel"` instead of `create`.\n\nIf a kernel ends with `ModuleNotFoundError`, its '
        f"image lacks a package: put the wheel of it beside ours (`pip download --no-deps -d wheel "
        f"NAME`; `wheel/{REQUIREMENTS}` lists candidates) and push a version. Every wheel in the "
        f"dataset is installed.\n"
    )
