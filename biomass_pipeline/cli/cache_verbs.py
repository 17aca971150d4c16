"""The verbs under `biomass cache`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from biomass_pipeline.cli.options import ConfigOption, FoldOption, JsonOption, SetOption, texts
from biomass_pipeline.cli.verbs import CACHE, examples

cache_app = typer.Typer(
    help="Look at the feature cache, mend it, clear it up, carry it away and back.",
    no_args_is_help=True,
    epilog=examples(("biomass cache verify --help", "options and examples of one of them")),
)


@cache_app.command(
    "info",
    rich_help_panel=CACHE,
    epilog=examples(
        ("biomass cache info", "each fold's file: photos, rows, width, size"),
        ("biomass cache info --json", "for a program"),
    ),
)
def cache_info(
    *, config: ConfigOption = None, set_: SetOption = None, as_json: JsonOption = False
) -> None:
    """Show the folds' cache files and what made them."""
    from biomass_pipeline.cli.showing import show_cache  # noqa: PLC0415  # as above

    raise typer.Exit(show_cache(config, texts(set_), as_json=as_json))


@cache_app.command(
    "verify",
    rich_help_panel=CACHE,
    epilog=examples(
        ("biomass cache verify", "read all rows against their checksums"),
        ("biomass cache verify --repair", "and embed again what is damaged"),
    ),
)
def cache_verify(
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Embed again what is damaged, and nothing else.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read every cache file and compare it with its checksums and its fold's tiles."""
    from biomass_pipeline.cli import caching  # noqa: PLC0415  # as above

    look = caching.repair_cache if repair else caching.verify_cache
    raise typer.Exit(look(config, texts(set_), as_json=as_json))


@cache_app.command(
    "prune",
    rich_help_panel=CACHE,
    epilog=examples(
        ("biomass cache prune", "list what nothing needs, and ask"),
        ("biomass cache prune --yes", "and do not ask"),
    ),
)
def cache_prune(
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete the caches of earlier configurations, and what is left beside the current one's."""
    from biomass_pipeline.cli.caching import prune_cache  # noqa: PLC0415  # as above

    raise typer.Exit(prune_cache(config, texts(set_), yes=yes, as_json=as_json))


@cache_app.command(
    "export",
    rich_help_panel=CACHE,
    epilog=examples(
        ("biomass cache export --format webdataset -o shards", "every fold as WebDataset shards"),
        ("biomass cache export --format npy --fold 0 -o fold", "one fold as plain NumPy arrays"),
    ),
)
def cache_export(  # noqa: PLR0913  # one parameter an option
    *,
    form: Annotated[
        Literal["npy", "webdataset", "lmdb", "zarr", "parquet", "safetensors"],
        typer.Option("--format", help="webdataset, lmdb and zarr come with [formats]."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    config: ConfigOption = None,
    set_: SetOption = None,
    fold: FoldOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an export that is there.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the folds' features in another format, with all that a cache says of them."""
    from biomass_pipeline.cli.exchanging import export_cache  # noqa: PLC0415  # as above

    raise typer.Exit(
        export_cache(
            config, texts(set_), output, form=form, fold=fold, force=force, as_json=as_json
        )
    )


@cache_app.command(
    "import",
    rich_help_panel=CACHE,
    epilog=examples(
        ("biomass cache import shards", "from a folder that `cache export` wrote"),
        ("biomass cache import arrays --unstamped", "from somebody's features.npy and ids"),
    ),
)
def cache_import(
    folder: Annotated[Path, typer.Argument(help="An export, or features.npy with its ids.")],
    *,
    config: ConfigOption = None,
    set_: SetOption = None,
    fold: FoldOption = None,
    unstamped: Annotated[
        bool,
        typer.Option("--unstamped", help="Plain arrays are of the configured backbone: your word."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Take features over into the cache; nothing is embedded for photos that they cover."""
    from biomass_pipeline.cli.exchanging import import_cache  # noqa: PLC0415  # as above

    raise typer.Exit(
        import_cache(config, texts(set_), folder, fold=fold, unstamped=unstamped, as_json=as_json)
    )
