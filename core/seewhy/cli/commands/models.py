"""`seewhy models`, `seewhy models check` and `seewhy models convert`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

models = typer.Typer(help="List the catalog and whether the weights are on this machine.")


@models.callback(invoke_without_command=True)
def _list_models(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        _print_catalog()


@models.command()
def check(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A .keras or .h5 file.")
    ],
    layer: Annotated[
        str, typer.Option(help="The target layer. Default: seewhy chooses one and says why.")
    ] = "",
    output: Annotated[
        str, typer.Option(help="The output that holds the class scores, if the model has several.")
    ] = "",
    scores: Annotated[
        Literal["classes", "values", "segments"],
        typer.Option(
            help="What the network outputs: scores of classes, values, or scores of classes for "
            "each pixel."
        ),
    ] = "classes",
    module: Annotated[
        list[str] | None,
        typer.Option(
            help="A Python module that defines layers of the model and registers them with Keras. "
            "Repeat the option for several."
        ),
    ] = None,
) -> None:
    """Check whether a model file can be explained, by explaining a random image."""
    from seewhy.embedded.commands import exec_module

    options = [f"--layer={layer}"] if layer else []
    options += [f"--output={output}"] if output else []
    options += [f"--scores={scores}"]
    options += [f"--module={name}" for name in module or ()]
    exec_module("seewhy_worker.model_check", *options, "--", str(file))


@models.command()
def convert(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An .onnx file.")],
    out: Annotated[Path, typer.Option(help="The .keras file to write.")],
    size: Annotated[
        tuple[int, int] | None,
        typer.Option(
            metavar="HEIGHT WIDTH",
            min=1,
            help="The size of the input in pixels, if the file leaves it open.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
) -> None:
    """Convert an ONNX file, compare both, and print an entry for the catalog."""
    from seewhy.embedded.commands import exec_module

    options = [f"--out={out}"]
    options += ["--size", *map(str, size)] if size else []
    options += ["--overwrite"] if overwrite else []
    exec_module("seewhy_worker.conversion", *options, "--", str(file))


def _print_catalog() -> None:
    from rich.table import Table

    from seewhy.catalog.catalog import Catalog
    from seewhy.catalog.model_files import RandomWeights
    from seewhy.catalog.weights import find_weights
    from seewhy.cli.terminal.console import output_console
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
            spec.layer or "automatic",
            weights,
        )
    output_console().print(table)
