"""`seewhy trust`."""

from pathlib import Path
from typing import Annotated

import typer

from seewhy.cli.explain import DEFAULT_URL


def trust(
    photos: Annotated[list[Path], typer.Argument(help="JPEG, PNG or WebP files, and folders.")],
    methods: Annotated[
        str, typer.Option(help="Between commas: docs/methods.md.")
    ] = "gradcam,layercam,hirescam",
    target: Annotated[
        str, typer.Option(help="`predicted`, or a class name or index for all photos.")
    ] = "predicted",
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
    boxes: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Where the objects are: a CSV file with the columns name, x, y, width, height.",
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write every number here.")] = None,
) -> None:
    """Put maps to the test: does the probability follow them? One row per method."""
    from seewhy.cli.service import service
    from seewhy.cli.trusting import Wishes, run
    from seewhy.client import Client

    try:
        wishes = Wishes.read(photos, methods=methods, target=target, model=model, boxes=boxes)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    with service(url, default_url=DEFAULT_URL, model=model) as address, Client(address) as client:
        failed = run(client, wishes, json_file=json)
    if failed:
        raise typer.Exit(1)
