"""`calibrate`: a few cuts of one's own on top of a bundle, or of the project's own models."""

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import typer
from rich.console import Console

from biomass_pipeline.cli.predicting import shown_on
from biomass_pipeline.cli.terminal import open_console, show_table
from biomass_pipeline.features import usable_devices
from biomass_pipeline.inference.bundle import Bundle, load_bundle
from biomass_pipeline.inference.embedding import Workplace, user_cache
from biomass_pipeline.inference.ensemble import predict_ensemble
from biomass_pipeline.inference.new_photos import PhotoTable, predict_location
from biomass_pipeline.inference.own_cuts import SitePhotos, SiteStudy, study_cuts
from biomass_pipeline.inference.site_file import write_site
from biomass_pipeline.project import Project
from biomass_pipeline.store import FeatureFolder

_LEFT_OUT = 3
_TRAINED_ON = "it has a label, so the model was trained on it"


@dataclass(frozen=True)
class SiteWish:
    """What is asked of `calibrate`.

    Attributes:
        cuts: The table of weighed photos.
        output: Where the calibration is written.
        images: Folder, glob or URL of the site's photos; None: those of the project without labels.
        bundle: A bundle's folder; None: the project's own models.
        config: The project's configuration, without a bundle.
        overrides: Of it.
        table: What is known of the photos beside their pixels.
        weights: The backbone's weights, with a bundle whose backbone has its own.
        other_versions: Go on where only versions of libraries differ.
        cache: Where features are kept.
        device: As configured.
        n_next: How many photos to propose.
    """

    cuts: str
    output: Path
    images: str | None = None
    bundle: Path | None = None
    config: Path | None = None
    overrides: tuple[str, ...] = ()
    table: str | None = None
    weights: Path | None = None
    other_versions: bool = False
    cache: Path | None = None
    device: str = "auto"
    n_next: int = 5


def calibrate_site(wish: SiteWish, *, as_json: bool) -> int:
    """Learn a site's calibration, write it, and say what it is worth.

    Returns:
        0, or 3 when cuts were left out or photos could not be read.

    Raises:
        BiomassError: With what is wrong and what to do.
    """
    console = open_console(stderr=as_json)
    if wish.bundle is not None:
        if wish.images is None:
            msg = "--bundle needs --images: the folder of the site's photos, cut and uncut"
            raise typer.BadParameter(msg)
        bundle = load_bundle(wish.bundle, weights=wish.weights, other_versions=wish.other_versions)
        photos = _at_location(wish.images, bundle, wish, console=console)
    else:
        photos = _of_project(wish, console=console)
    study = study_cuts(photos, wish.cuts, n_next=wish.n_next, base=Path.cwd())
    report = study.to_plain()
    write_site(study.site, wish.output, report=report)
    if as_json:
        typer.echo(json.dumps({"site": str(wish.output), **report}))
    else:
        _print(console, study, output=wish.output)
    return _LEFT_OUT if study.sheet.left_out or photos.unreadable else 0


def _at_location(images: str, bundle: Bundle, wish: SiteWish, *, console: Console) -> SitePhotos:
    """The photos of a folder, embedded as `predict` does."""
    with ExitStack() as stack:
        place = Workplace(
            cache=wish.cache or user_cache(),
            device=wish.device,
            on_progress=shown_on(console, stack),
        )
        table = None if wish.table is None else PhotoTable(wish.table)
        outcome = predict_location(images, bundle, place=place, table=table)
    embedded = outcome.embedded
    return SitePhotos(
        bundle,
        outcome.prediction,
        embedded.features,
        embedded.paths,
        refused=dict(embedded.unreadable),
        unreadable=tuple(path for path, _ in embedded.unreadable),
    )


def _of_project(wish: SiteWish, *, console: Console) -> SitePhotos:
    # Only the project's own models need its graph, to know whether they are up to date.
    from biomass_pipeline.cli.models import current_models  # noqa: PLC0415
    from biomass_pipeline.cli.opening import open_project  # noqa: PLC0415

    project = open_project(wish.config, wish.overrides)
    bundle = current_models(project).bundle
    if wish.images is not None:
        return _at_location(wish.images, bundle, wish, console=console)
    return _unlabelled(project, bundle, wish)


def _unlabelled(project: Project, bundle: Bundle, wish: SiteWish) -> SitePhotos:
    """The project's photos without labels, by the features that it has of them."""
    cache = FeatureFolder(project.layout).open(None, bundle.extraction)
    features = cache.load()
    prediction = predict_ensemble(
        bundle.ensemble, features, spec=bundle.spec, device=usable_devices(wish.device)[0]
    )
    manifest = pd.read_parquet(project.layout.table("image_manifest"))
    reasons = manifest["reason"].mask(manifest["labelled"].astype(bool), _TRAINED_ON)
    why = dict(zip(manifest["path"], reasons, strict=True))
    why |= {photo.path: photo.reason for photo in cache.quarantined()}
    paths = dict(zip(manifest["image_id"], manifest["path"], strict=True))
    known = {name: paths[name] for name in features.image_ids}
    refused = {path: text for path, text in why.items() if path not in set(known.values())}
    return SitePhotos(bundle, prediction, features, known, refused)


def _print(console: Console, study: SiteStudy, *, output: Path) -> None:
    n_photos = len(study.photos.prediction.predictive.image_ids)
    console.print(
        f"{output}: {len(study.site.cuts)} cuts of {n_photos} photos, on top of model "
        f"{study.site.model}.",
        markup=False,
    )
    show_table(
        console,
        "What the site does to the predictions",
        columns=["component", "scale", "offset"],
        rows=[
            [
                row["component"],
                f"{row['scale']:.2f} ± {row['scale_sd']:.2f}",
                f"{row['offset']:+.1f} ± {row['offset_sd']:.1f}",
            ]
            for row in study.components()
        ],
        numbers=True,
    )
    _print_check(console, study)
    console.print(study.check.sentence, markup=False)
    console.print(study.outlook.sentence, markup=False)
    if study.plan:
        console.print("Cut next, the most telling first:")
    for cut in study.plan:
        console.print(f"  {study.photos.paths[cut.image_id]}", markup=False)
    for text in (*study.sheet.warnings, *study.remarks()):
        console.print(text, style="yellow", markup=False)
    if study.photos.unreadable:
        console.print(f"Could not be read: {len(study.photos.unreadable)}.", style="yellow")
    for path in study.photos.unreadable:
        console.print(f"  {path}: {study.photos.refused[path]}", markup=False)
    if study.sheet.left_out:
        console.print(f"Cuts not used: {len(study.sheet.left_out)}.", style="yellow")
    for name, reason in study.sheet.left_out:
        console.print(f"  {name}: {reason}", markup=False)


def _print_check(console: Console, study: SiteStudy) -> None:
    check = study.check
    rows = zip(check.targets, check.n_weighed, check.before, check.after, strict=True)
    show_table(
        console,
        "Root mean square error at the cuts, each predicted by the others",
        columns=["target", "cuts", "before", "after"],
        rows=[[name, str(n), f"{before:.2f}", f"{after:.2f}"] for name, n, before, after in rows],
        numbers=True,
    )
