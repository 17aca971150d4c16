"""The verbs for new photos: `predict`, `calibrate`, `map` and `export`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from biomass_pipeline.cli.options import (
    BundleOption,
    CacheOption,
    ConfigOption,
    DecodeOption,
    DeviceOption,
    JsonOption,
    SetOption,
    VersionsOption,
    WeightsOption,
    texts,
)
from biomass_pipeline.cli.terminal import loading
from biomass_pipeline.cli.verbs import CARRY_AWAY, examples

export_app = typer.Typer(
    help="Write what others need, to carry away.",
    no_args_is_help=True,
    epilog=examples(("biomass export model --help", "options and examples of one of them")),
)


class CachesFrom(StrEnum):
    """What brings features to the kernel that trains."""

    KERNEL = "kernel"
    DATASET = "dataset"
    PROJECT = "project"


def predict(  # noqa: PLR0913  # one argument an option
    images: Annotated[str, typer.Argument(help="Folder, photo, glob in quotes, or fsspec URL.")],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="A .csv or .parquet file.")],
    bundle: BundleOption = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    by: Annotated[
        str | None, typer.Option(help="Means of a column of --table, or of each `folder`.")
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="CSV or Parquet: paddocks, covariates, dates of photos.")
    ] = None,
    site: Annotated[Path | None, typer.Option(help="What `biomass calibrate` wrote.")] = None,
    cache: CacheOption = None,
    device: DeviceOption = "auto",
    decode_processes: DecodeOption = False,
    weights: WeightsOption = None,
    other_versions: VersionsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Predict photos that nobody weighed, into a table."""
    with loading():
        from biomass_pipeline.cli.predicting import Wish, predict_images  # noqa: PLC0415  # as above

    wish = Wish(
        images,
        output,
        bundle=bundle,
        config=config,
        overrides=texts(set_),
        weights=weights,
        other_versions=other_versions,
        by=by,
        table=table,
        site=site,
        cache=cache,
        device=device,
        decode_processes=decode_processes,
    )
    raise typer.Exit(predict_images(wish, as_json=as_json))


def calibrate(  # noqa: PLR0913  # one argument an option
    *,
    cuts: Annotated[str, typer.Option(help="CSV or Parquet of weighed photos.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="For `predict --site`.")],
    images: Annotated[
        str | None, typer.Option(help="The site's photos; else the project's without labels.")
    ] = None,
    bundle: BundleOption = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    next_: Annotated[
        int, typer.Option("--next", min=0, help="How many photos to propose for cutting.")
    ] = 5,
    table: Annotated[
        str | None, typer.Option(help="CSV or Parquet: covariates, dates of photos.")
    ] = None,
    cache: CacheOption = None,
    device: DeviceOption = "auto",
    weights: WeightsOption = None,
    other_versions: VersionsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fit predictions to a new site by a few weighed photos of it."""
    with loading():
        from biomass_pipeline.cli.calibrating import (  # noqa: PLC0415  # as above
            SiteWish,
            calibrate_site,
        )

    wish = SiteWish(
        cuts,
        output,
        images=images,
        bundle=bundle,
        config=config,
        overrides=texts(set_),
        table=table,
        weights=weights,
        other_versions=other_versions,
        cache=cache,
        device=device,
        n_next=next_,
    )
    raise typer.Exit(calibrate_site(wish, as_json=as_json))


def map_photos(  # noqa: PLR0913  # one argument an option
    images: Annotated[
        str, typer.Argument(help="Photo or orthomosaic; or folder, glob in quotes, fsspec URL.")
    ],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="A folder.")] = Path("maps"),
    bundle: BundleOption = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="Whose picture is drawn; else the heaviest in the score. Repeatable."),
    ] = None,
    model: Annotated[
        Literal["auto", "mil", "ridge", "stack"] | None,
        typer.Option(help="Whose prediction stands beside the map; else as configured."),
    ] = None,
    scale_to: Annotated[
        Literal["network", "prediction"],
        typer.Option(help="What the map adds up to: the networks' prediction, or the model's."),
    ] = "network",
    cell: Annotated[
        int | None, typer.Option(min=1, help="Side of the GeoTIFF's cells, pixels of the photo.")
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="CSV or Parquet: covariates, dates of photos.")
    ] = None,
    cache: CacheOption = None,
    device: DeviceOption = "auto",
    decode_processes: DecodeOption = False,
    weights: WeightsOption = None,
    other_versions: VersionsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Map where in a photo or an orthomosaic the biomass is.

    Networks are asked what each tile gives to their prediction; where tiles overlap, a pixel has
    their mean, so the map adds up to the prediction. Writes a picture, a table and GeoJSON of the
    tiles, all targets in each, and, where the photo has map coordinates, a Cloud-Optimised GeoTIFF
    of kg DM/ha. The prediction of an orthomosaic is its mean a quadrat: read kg DM/ha there.
    """
    with loading():
        from biomass_pipeline.cli.mapping import MapWish, map_images  # noqa: PLC0415  # as above
        from biomass_pipeline.cli.predicting import Wish  # noqa: PLC0415  # as above

    wish = Wish(
        images,
        output,
        bundle=bundle,
        config=config,
        overrides=texts(set_),
        weights=weights,
        other_versions=other_versions,
        table=table,
        cache=cache,
        device=device,
        decode_processes=decode_processes,
    )
    asked = MapWish(wish, texts(target), model=model, scale_to=scale_to, cell_px=cell)
    raise typer.Exit(map_images(asked, as_json=as_json))


@export_app.command(
    "model",
    rich_help_panel=CARRY_AWAY,
    epilog=examples(
        ("biomass export model -o bundle/", "the trained models in a folder"),
        ("biomass export model -o bundle/ --force", "replace the one that is there"),
    ),
)
def export_model(
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="A new or empty folder.")],
    config: ConfigOption = None,
    set_: SetOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a bundle.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the models as a bundle that predicts anywhere, with a model card."""
    from biomass_pipeline.cli import models  # noqa: PLC0415  # as above

    raise typer.Exit(
        models.export_model(config, texts(set_), output=output, force=force, as_json=as_json)
    )


@export_app.command(
    "kaggle",
    rich_help_panel=CARRY_AWAY,
    epilog=examples(
        ("biomass export kaggle --user ann --slug grass -o kaggle/", "two kernels, their datasets"),
        (
            "biomass export kaggle --user ann --slug grass --caches-from project -o kaggle/",
            "with the caches that are here",
        ),
    ),
)
def export_kaggle(  # noqa: PLR0913  # one argument an option
    *,
    user: Annotated[str, typer.Option(help="Your name in the address of your Kaggle profile.")],
    slug: Annotated[str, typer.Option(help="What the names of kernels and datasets start with.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    config: ConfigOption = None,
    set_: SetOption = None,
    competition: Annotated[
        str, typer.Option(help="The competition, as in its address.")
    ] = "csiro-biomass",
    weights_dataset: Annotated[
        str | None, typer.Option(help="OWNER/SLUG of a dataset with the backbone's weights.")
    ] = None,
    caches_from: Annotated[
        CachesFrom,
        typer.Option(
            help="Read by kernel 2: kernel 1's output, a dataset of it, or the project's caches."
        ),
    ] = CachesFrom.KERNEL,
    notebooks: Annotated[bool, typer.Option("--notebooks", help="Instead of scripts.")] = False,
    photos: Annotated[int, typer.Option(min=1, help="Labelled photos, for the estimate.")] = 357,
    test_photos: Annotated[int, typer.Option(min=0, help="Hidden photos, likewise.")] = 805,
    limit_hours: Annotated[float, typer.Option(min=0, help="The competition's limit.")] = 12.0,
    force: Annotated[bool, typer.Option("--force", help="Write over an export.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write two kernels and their datasets: from photos to a submission on Kaggle."""
    with loading():
        from biomass_pipeline.cli.kaggle import (  # noqa: PLC0415  # as above
            KaggleWish,
            export_folders,
        )

    wish = KaggleWish(
        user,
        slug,
        output,
        config=config,
        overrides=texts(set_),
        competition=competition,
        weights_dataset=weights_dataset,
        caches_from=caches_from.value,
        notebooks=notebooks,
        n_photos=photos,
        n_test_photos=test_photos,
        limit_hours=limit_hours,
        force=force,
    )
    raise typer.Exit(export_folders(wish, as_json=as_json))


@export_app.command(
    "submission",
    rich_help_panel=CARRY_AWAY,
    epilog=examples(
        ("biomass export submission", "in the order of `data.submission`, or by id"),
        ("biomass export submission --order test.csv -o submission.csv", "in a file's own order"),
    ),
)
def export_submission(
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="A .csv file.")] = Path(
        "submission.csv"
    ),
    order: Annotated[
        str | None,
        typer.Option(help="test.csv or sample_submission.csv; else `data.submission`."),
    ] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write what a competition asks for, in its rows and its order."""
    with loading():
        from biomass_pipeline.cli.submitting import write_submission  # noqa: PLC0415  # as above

    raise typer.Exit(
        write_submission(config, texts(set_), output=output, order=order, as_json=as_json)
    )
