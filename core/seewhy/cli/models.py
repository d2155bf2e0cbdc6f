"""`seewhy models` and `seewhy models check`."""

from pathlib import Path
from typing import Annotated

import typer

models = typer.Typer(help="List the catalogue, and which weights are on this machine.")


@models.callback(invoke_without_command=True)
def _list(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        _show_catalogue()


@models.command()
def check(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A .keras or .h5 file.")
    ],
    layer: Annotated[str, typer.Option(help="The target layer.")] = "",
    output: Annotated[str, typer.Option(help="The scores, of several outputs.")] = "",
) -> None:
    """Say whether and how a model file can be explained, and try it."""
    from seewhy.embedded.programs import exec_module

    exec_module("seewhy_worker.model_check", str(file), layer, output)


def _show_catalogue() -> None:
    from rich.table import Table

    from seewhy.catalog.catalog import Catalog, RandomWeights
    from seewhy.catalog.weights import find_weights
    from seewhy.cli.console import results
    from seewhy.settings import load

    settings = load()
    catalog = Catalog.load(settings)
    table = Table(box=None)
    for title in ("name", "source", "input", "layer", "weights"):
        table.add_column(title, overflow="fold")
    for name in catalog.names():
        spec = catalog.get(name)
        if isinstance(spec.weights, RandomWeights):
            weights = "random"
        else:
            weights = "found" if find_weights(spec, settings) else "not found"
        table.add_row(
            f"{name} (default)" if name == settings.default_model else name,
            spec.source,
            f"{spec.input.height_px} x {spec.input.width_px}",
            spec.layer or "last spatial",
            weights,
        )
    results().print(table)
