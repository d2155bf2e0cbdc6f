"""Options that several commands share, and how their values are read."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

DEFAULT_URL = "http://127.0.0.1:8000"

UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="URL of the service. If you omit it and no service runs at the default URL, the "
        "command starts a temporary one.",
        show_default=DEFAULT_URL,
    ),
]
KeyOption = Annotated[
    str | None,
    typer.Option(
        "--key",
        help="The API key for the service. Others on this machine can see it while the command "
        "runs; SEEWHY_KEY is better.",
        show_default="SEEWHY_KEY",
    ),
]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="A name from `seewhy models`.", show_default="vgg16")
]

DataOption = Annotated[
    Path | None,
    typer.Option(
        help="The data folder of `seewhy up`. Default: the servers named in the settings."
    ),
]


def split_names(text: str) -> list[str]:
    """Return the names of a comma-separated list, without blanks and empty items."""
    return [name.strip() for name in text.split(",") if name.strip()]


def parse_targets(text: str) -> Any:
    """Return the request's `targets`.

    Accepts `predicted`, `top:N`, comma-separated class names and indices, and JSON. Raises
    `ValueError` when text that starts as JSON is not valid JSON.
    """
    if text.lstrip().startswith(("{", "[")):
        return json.loads(text)
    if text == "predicted" or text.startswith("top:"):
        return text
    return [int(name) if name.isdecimal() else name for name in split_names(text)]
