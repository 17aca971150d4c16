"""A model to carry away: all folds' models with all that reads, tiles and embeds a photo for them.

A bundle is a folder of JSON and safetensors: nothing in it is ever run, and it needs no Dagster.
"""

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from biomass_pipeline import __version__
from biomass_pipeline.config import Config, fingerprint
from biomass_pipeline.errors import (
    BundleSchemaError,
    DamagedBundleError,
    MissingInputError,
    OtherBackboneError,
    OtherVersionsError,
)
from biomass_pipeline.features import backbone_identity, extraction_fingerprint, fetch_weights
from biomass_pipeline.imaging import decoder_identity
from biomass_pipeline.inference.bundle_files import (
    CARD_NAME,
    RECORD_NAME,
    fold_name,
    packed,
    read_fold,
    read_record,
    write_folder,
)
from biomass_pipeline.inference.bundle_record import (
    SCHEMA_VERSION,
    STAYS_HERE,
    BundleRecord,
    ExtractionRecord,
    ModelName,
    settings_of,
)
from biomass_pipeline.inference.ensemble import Ensemble
from biomass_pipeline.inference.fold_arrays import Lists, arrays_of, models_of, record_of
from biomass_pipeline.mil import CODE_VERSION, PredictionSpec, TargetSpec

RANDOM_NOTE = "RANDOM WEIGHTS: an untrained network, for tests only."
_VERSIONS = ("torch", "numpy", "timm")
# Parts of an identity that are versions of libraries: with another one, rows are nearly the same.
_LIBRARIES = frozenset({"torch", "timm", "opencv"})


@dataclass(frozen=True)
class Bundle:
    """Everything that turns photos into predictions.

    Attributes:
        ensemble: The models of all folds.
        config: How photos are read, tiled and embedded, and what is predicted; the sections that
            do not travel (folds, training, tuning, automation, compute) are the defaults.
        identity: Of the backbone on this machine.
        base: What a relative `backbone.checkpoint` is relative to.
        notes: What has to be said of every prediction.
    """

    ensemble: Ensemble
    config: Config
    identity: Mapping[str, str]
    base: Path = Path()
    notes: tuple[str, ...] = ()

    @property
    def spec(self) -> PredictionSpec:
        """Levels of the intervals and number of draws."""
        return PredictionSpec.from_config(self.config.evaluation)

    @property
    def extraction(self) -> str:
        """The fingerprint of the features that are made here."""
        return extraction_fingerprint(self.config, self.identity)

    @property
    def fingerprint(self) -> str:
        """The hash of all that decides a prediction but the photo and versions of libraries."""
        return _fingerprint(self.ensemble, self.config, dict(self.identity))

    @property
    def grams(self) -> tuple[str, ...]:
        """The targets that are weighed in grams."""
        return tuple(target.name for target in self.config.data.targets if target.unit == "g")


def save_bundle(bundle: Bundle, folder: Path, *, card: str, force: bool = False) -> None:
    """Write `bundle.json`, `fold_<k>.safetensors` and `MODEL_CARD.md`, all or none.

    It holds ids, groups and labels of the training photos, which intervals are made of; neither
    photos, nor their features, nor paths of this machine.

    Args:
        bundle: What is carried away.
        folder: Where; it must be new, empty or, with `force`, a bundle.
        card: The text of the model card.
        force: Replace a bundle that is there.

    Raises:
        ValueError: The models are of other targets than the configuration.
        FileInTheWayError: A bundle is there.
        OccupiedFolderError: Something else is there.
    """
    if bundle.ensemble.targets != TargetSpec.from_config(bundle.config.data):
        msg = "the models predict other targets than the configuration has"
        raise ValueError(msg)
    lists = Lists.of(bundle.ensemble.folds)
    files, folds = dict[str, bytes](), []
    for number, models in enumerate(bundle.ensemble.folds):
        data = packed(arrays_of(models, lists))
        files[fold_name(number)] = data
        sha256 = hashlib.sha256(data).hexdigest()
        folds.append(record_of(models, sha256=sha256, n_bytes=len(data)))
    record = BundleRecord(
        schema_version=SCHEMA_VERSION,
        package_version=__version__,
        code_version=CODE_VERSION,
        versions={"python": platform.python_version()}
        | {name: metadata.version(name) for name in _VERSIONS},
        fingerprint=bundle.fingerprint,
        model=cast("ModelName", bundle.ensemble.model),
        extraction=ExtractionRecord(
            fingerprint=bundle.extraction,
            decoder=decoder_identity(),
            backbone=dict(bundle.identity),
        ),
        settings=settings_of(bundle.config),
        photos=lists.photos.known,
        groups=lists.groups.known,
        folds=tuple(folds),
    )
    files[CARD_NAME] = card.encode()
    text = record.model_dump_json(indent=1, exclude={"settings": STAYS_HERE})
    files[RECORD_NAME] = text.encode()
    write_folder(folder, files, force=force)


def load_bundle(
    folder: Path, *, weights: Path | None = None, other_versions: bool = False
) -> Bundle:
    """Read a bundle, and make sure that the backbone on this machine is its own.

    Args:
        folder: What `save_bundle` wrote.
        weights: The backbone's weights; needed where they came from a file, not from the hub.
        other_versions: Go on where only versions of libraries differ.

    Raises:
        MissingBundleError: It, or a file of it, is not there.
        BundleSchemaError: Another release wrote it in another layout, or learnt in another way.
        DamagedBundleError: A file is not what was written, or a link.
        OtherBackboneError: The backbone here has other weights, or is another one.
        OtherVersionsError: Libraries that decide features have other versions here.
        MissingWeightsError: The backbone's weights are not to be had.
        MissingInputError: There is no file of weights at the place that was given.
    """
    record = _record(folder)
    config = _with_weights(record.settings.config(), weights)
    ensemble = _ensemble(folder, record)
    if _fingerprint(ensemble, config, record.extraction.backbone) != record.fingerprint:
        reason = "its models and settings do not give the fingerprint that it states"
        raise DamagedBundleError(folder / RECORD_NAME, reason=reason)
    fetch_weights(config.backbone)
    identity = backbone_identity(config.backbone)
    _compare(folder, record.extraction, identity, other_versions=other_versions)
    notes = (RANDOM_NOTE,) if config.backbone.random_weights else ()
    return Bundle(ensemble, config, identity, notes=notes)


def _record(folder: Path) -> BundleRecord:
    content = read_record(folder)
    package = str(content.get("package_version", "of an unknown version"))
    for what, key, expected in (
        ("schema version", "schema_version", SCHEMA_VERSION),
        ("models of learning code", "code_version", CODE_VERSION),
    ):
        if (found := content.get(key)) != expected:
            raise BundleSchemaError(
                folder, what=what, found=found, expected=expected, package=package
            )
    try:
        return BundleRecord.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        reason = f"`{where}`: {first['msg']} (written by release {package}, read by {__version__})"
        raise DamagedBundleError(folder / RECORD_NAME, reason=reason) from None


def _ensemble(folder: Path, record: BundleRecord) -> Ensemble:
    targets = TargetSpec.from_config(record.settings.data)
    lists = Lists.listed(record.photos, record.groups)
    folds = []
    for number, fold in enumerate(record.folds):
        arrays = read_fold(folder, number, sha256=fold.sha256, n_bytes=fold.n_bytes)
        try:
            folds.append(models_of(fold, arrays, targets=targets, lists=lists))
        except ValueError as error:
            raise DamagedBundleError(folder / fold_name(number), reason=str(error)) from error
    return Ensemble(tuple(folds), record.model)


def _with_weights(config: Config, weights: Path | None) -> Config:
    """The configuration with the weights' place on this machine."""
    named = config.backbone.checkpoint
    if weights is None and named is None:
        return config
    if weights is None or not weights.is_file():
        what = "file of the backbone's weights"
        raise MissingInputError(what, str(weights or named), option="--weights")
    backbone = config.backbone.model_copy(update={"checkpoint": str(weights.absolute())})
    return config.model_copy(update={"backbone": backbone})


def _compare(
    folder: Path, made: ExtractionRecord, here: Mapping[str, str], *, other_versions: bool
) -> None:
    there = made.backbone
    differences = [
        (name, here.get(name, ""), there.get(name, ""))
        for name in sorted({*here} | {*there})
        if here.get(name) != there.get(name)
    ]
    of_backbone = [each for each in differences if not _is_of_library(each[0])]
    if of_backbone:
        raise OtherBackboneError(folder, of_backbone)
    if decoder_identity() != made.decoder:
        differences.append(("decoder", decoder_identity(), made.decoder))
    if differences and not other_versions:
        raise OtherVersionsError(folder, differences)


def _fingerprint(ensemble: Ensemble, config: Config, identity: Mapping[str, str]) -> str:
    left_out: dict[str, Any] = {"name": True, **STAYS_HERE}
    settings = settings_of(config).model_dump(mode="json", exclude=left_out)
    settings["backbone"].pop("checkpoint")
    folds = [[models.network.fingerprint, models.ridge.fingerprint] for models in ensemble.folds]
    backbone = {name: value for name, value in identity.items() if not _is_of_library(name)}
    content: list[Any] = [ensemble.model, settings, backbone, folds]
    return fingerprint(f"bundle-{SCHEMA_VERSION}", content)


def _is_of_library(name: str) -> bool:
    """Whether a part of an identity, such as `rcf.opencv`, is the version of a library."""
    return name.rpartition(".")[2] in _LIBRARIES
