"""`seewhy explain`."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_URL = "http://127.0.0.1:8000"


def explain(
    photos: Annotated[list[Path], typer.Argument(help="JPEG, PNG or WebP files.")],
    url: Annotated[
        str | None,
        typer.Option(
            help="The service to ask. Unset: the one on this machine, or else one that is "
            "started for the length of this command.",
            show_default=DEFAULT_URL,
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A name from `seewhy models`.", show_default="vgg16")
    ] = None,
    targets: Annotated[
        str,
        typer.Option(
            help="`predicted`, `top:3`, class names and indices, `cat,dog,281`, or JSON, "
            '`{"why": "cat", "not": ["dog"]}`.'
        ),
    ] = "predicted",
    method: Annotated[str, typer.Option(help="How maps are made: docs/methods.md.")] = "gradcam",
    layer: Annotated[
        str | None, typer.Option(help="Another layer; several, between commas, are fused.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where overlays go. Unset: beside each photo.")
    ] = None,
) -> None:
    """Explain photos: prints classes and scores, saves overlays as NAME.seewhy.jpg."""
    from seewhy.cli.explaining import Wishes, run
    from seewhy.cli.service import service
    from seewhy.client import Client

    try:
        wishes = Wishes.read(
            photos, model=model, targets=targets, method=method, layers=layer, out=out
        )
    except ValueError as error:
        raise typer.BadParameter(f"--targets is no JSON: {error}") from error
    with service(url, default_url=DEFAULT_URL, model=model) as address, Client(address) as client:
        failed = run(client, wishes)
    if failed:
        raise typer.Exit(1)
