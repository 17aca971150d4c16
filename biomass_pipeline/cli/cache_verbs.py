"""The verbs under `biomass cache`."""

from typing import Annotated

import typer

from biomass_pipeline.cli.options import ConfigOption, JsonOption, SetOption, texts
from biomass_pipeline.cli.verbs import CACHE, examples

cache_app = typer.Typer(
    help="Look at the feature cache, mend it, clear it up.",
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
