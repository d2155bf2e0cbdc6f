"""`seewhy fit`."""

from pathlib import Path
from typing import Annotated

import typer


def fit(
    folder: Annotated[
        Path,
        typer.Argument(
            exists=True, file_okay=False, help="One sub-folder of pictures for each class."
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="NAME.keras; NAME.labels.txt and NAME.toml go beside it.")
    ],
    base: Annotated[
        str, typer.Option(help="The model whose body is kept; a name from `seewhy models`.")
    ] = "vgg16",
    held_out: Annotated[
        float,
        typer.Option(min=0.0, max=0.9, help="The part of each class that is kept for testing."),
    ] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Draws what is held out.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Train a head on your own pictures, over a model's frozen body; makes a model to explain."""
    from seewhy.embedded.programs import exec_module

    words = (str(folder), base, str(out), str(held_out), str(seed), "yes" if overwrite else "")
    exec_module("seewhy_worker.training", *words)
