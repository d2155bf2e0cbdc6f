"""`seewhy fit`."""

from pathlib import Path
from typing import Annotated

import typer


def fit(
    folder: Annotated[
        Path,
        typer.Argument(
            exists=True, file_okay=False, help="Contains one folder of images per class."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(help="The model file NAME.keras. Also writes NAME.labels.txt and NAME.toml."),
    ],
    base: Annotated[
        str,
        typer.Option(help="The model whose body is reused; a name from `seewhy models`."),
    ] = "vgg16",
    held_out: Annotated[
        float,
        typer.Option(min=0.0, max=0.9, help="Fraction of each class held out for evaluation."),
    ] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the held-out split.")] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing output files.")
    ] = False,
) -> None:
    """Train a classifier on your own images: a new head on the frozen body of a model."""
    from seewhy.embedded.commands import exec_module

    options = [f"--base={base}", f"--out={out}", f"--held-out={held_out}", f"--seed={seed}"]
    if overwrite:
        options.append("--overwrite")
    exec_module("seewhy_worker.training", *options, "--", str(folder))
