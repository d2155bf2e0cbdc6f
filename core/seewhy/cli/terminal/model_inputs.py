"""The option `--input`: values of a model's inputs beside the image."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from seewhy.errors import InvalidRequest
from seewhy.quoting import quote

if TYPE_CHECKING:
    from seewhy.client import Client

Inputs = dict[str, tuple[float, ...]]
"""Name of an input → its numbers."""

InputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="NAME=NUMBERS",
        help="A value of one of the model's inputs beside the image, for all photos: `age=41`, or "
        "`site=0,1,0` for several numbers. Repeat it for further inputs. "
        "Default: the values of the catalog.",
    ),
]


def parse_inputs(texts: Sequence[str]) -> Inputs:
    """Parse the values of the option. Raises `BadParameter`, which names the input."""
    inputs: Inputs = {}
    for text in texts:
        name, equals, numbers = (part.strip() for part in text.partition("="))
        if not name or not equals:
            raise _bad(f"{quote(text)} is not NAME=NUMBERS: write age=41, or site=0,1,0")
        if name in inputs:
            raise _bad(f"{quote(name)} is given twice: write several numbers as {name}=0,1,0")
        inputs[name] = tuple(_number(number, name) for number in numbers.split(","))
    return inputs


def check_inputs(client: "Client", inputs: Inputs, *, model: str | None) -> None:
    """Compare the names and lengths with those of the model, by default that of the service.

    Raises `BadParameter` with an example of the catalog's values. The service refuses a model that
    it does not have.
    """
    if not inputs:
        return
    from seewhy.schemas.inputs import merge_inputs

    catalog = client.models()
    known = {each.name: each.inputs for each in catalog.models}.get(model or catalog.default)
    if known is None:
        return
    try:
        merge_inputs(known, inputs)
    except InvalidRequest as error:
        example = " ".join(
            f"--input {name}={','.join(f'{number:.15g}' for number in numbers)}"
            for name, numbers in known.items()
        )
        advice = f"Example: {example}" if example else "Leave out --input"
        raise _bad(f"{error}. {advice}") from error


def _number(text: str, name: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _bad(f"{quote(text.strip())} is not a number for {quote(name)}: write {name}=41")
    return number


def _bad(message: str) -> typer.BadParameter:
    return typer.BadParameter(f"--input: {message}")
