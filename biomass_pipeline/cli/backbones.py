"""`backbones`: what may be asked for by name, with licence and where the weights are."""

import json
from dataclasses import asdict

import typer

from biomass_pipeline.cli.terminal import open_console, show_table
from biomass_pipeline.features import list_backbones
from biomass_pipeline.features.naming import DINOV3_LICENCE, DINOV3_TERMS

_MORE = (
    "Also `timm:NAME` for any vision transformer or CNN of timm, and backbones of other packages "
    "through the entry point group `biomass_pipeline.backbones`."
)


def show_backbones(*, as_json: bool) -> None:
    """Print the backbones that have a name of their own."""
    listed = [asdict(listing) for listing in list_backbones()]
    if as_json:
        typer.echo(json.dumps(listed))
        return
    console = open_console()
    show_table(
        console,
        "biomass backbones",
        columns=["name", "what", "width", "patch", "licence", "weights"],
        rows=[[str(value or "-") for value in listing.values()] for listing in listed],
    )
    console.print(_MORE, markup=False)
    console.print(f"{DINOV3_LICENCE}: {DINOV3_TERMS}", markup=False)
