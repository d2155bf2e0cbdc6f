"""The options `--within` and `--reference`: what the score of a photo depends on beside it."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seewhy.quoting import quote

if TYPE_CHECKING:
    from seewhy.client import Client, RequestOptions

_EDGES = ("x", "y", "width", "height")

WithinOption = Annotated[
    str | None,
    typer.Option(
        "--within",
        metavar="X,Y,WIDTH,HEIGHT",
        help="A box in pixels of each photo: of a model of segments, only the pixels of a class "
        "in it count.",
    ),
]
ReferenceOption = Annotated[
    Path | None,
    typer.Option(
        "--reference",
        exists=True,
        dir_okay=False,
        help="A photo that a model of embeddings compares the others with, instead of the "
        "references of the catalog.",
    ),
]


def parse_within(text: str) -> dict[str, Any]:
    """Return the request's `within`. Raises `BadParameter` unless it is a box."""
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != len(_EDGES) or not all(map(math.isfinite, numbers)):
        raise typer.BadParameter(
            f"--within: {quote(text)} is not X,Y,WIDTH,HEIGHT: write 120,60,200,180"
        )
    if min(numbers[2:]) <= 0:
        raise typer.BadParameter("--within: the width and the height must be above 0")
    return {"box": dict(zip(_EDGES, numbers, strict=True))}


def add_reference(client: "Client", request: "RequestOptions", photo: Path | None) -> None:
    """Send the photo to compare with, if there is one, and let the request name it."""
    if photo is not None:
        request["reference"] = {"image_id": str(client.upload(photo))}
