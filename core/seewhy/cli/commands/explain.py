"""`seewhy explain`: explain photos, save overlays and print a table."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

from seewhy.cli.terminal.arguments import (
    KeyOption,
    ModelOption,
    UrlOption,
    parse_targets,
    split_names,
)
from seewhy.cli.terminal.photos import find_photos

if TYPE_CHECKING:
    from rich.table import Table

    from seewhy.cli.terminal.explainer import Explainer
    from seewhy.client import Client, Explanation, RequestOptions


def explain(
    photos: Annotated[
        list[Path], typer.Argument(help="JPEG, PNG or WebP files, or folders with such files.")
    ],
    url: UrlOption = None,
    key: KeyOption = None,
    model: ModelOption = None,
    targets: Annotated[
        str,
        typer.Option(
            help="The classes to explain: `predicted`, `top:3`, comma-separated class names and "
            'indices such as `cat,dog,281`, or JSON such as `{"why": "cat", "not": ["dog"]}`.'
        ),
    ] = "predicted",
    method: Annotated[str, typer.Option(help="The CAM method; see docs/methods.md.")] = "gradcam",
    layer: Annotated[
        str | None,
        typer.Option(help="The layer to explain. The maps of comma-separated layers are fused."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the overlays. Default: beside each photo.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON array instead of a table.")
    ] = False,
    as_ndjson: Annotated[
        bool, typer.Option("--ndjson", help="Print a line of JSON for each photo when it is done.")
    ] = False,
) -> None:
    """Explain photos: print classes and scores, save overlays as NAME.seewhy.jpg.

    Exits with status 0 if all photos were explained, 1 if some were not, and 2 if an argument is
    wrong, for example if a photo does not exist.
    """
    from seewhy.cli.terminal.service import connect_or_start

    if as_json and as_ndjson:
        raise typer.BadParameter("--json and --ndjson exclude each other")
    output = Output.JSON if as_json else Output.NDJSON if as_ndjson else Output.TABLE
    try:
        files = find_photos(photos)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    try:
        options = ExplainOptions.parse(
            files, model=model, targets=targets, method=method, layers=layer, out=out
        )
    except ValueError as error:
        raise typer.BadParameter(f"--targets is not valid JSON: {error}") from error
    with connect_or_start(url, key=key, model=model) as client:
        all_explained = explain_photos(client, options, output=output)
    if not all_explained:
        raise typer.Exit(1)


class Output(Enum):
    """What the command prints on stdout."""

    TABLE = auto()
    JSON = auto()
    NDJSON = auto()


@dataclass(frozen=True, kw_only=True)
class ExplainOptions:
    """The photos with the overlay path of each, and the options of their requests."""

    overlays: dict[Path, Path]
    """Photo → overlay of its first target."""
    request: "RequestOptions"

    @classmethod
    def parse(
        cls,
        photos: Sequence[Path],
        *,
        model: str | None,
        targets: str,
        method: str,
        layers: str | None = None,
        out: Path | None,
    ) -> Self:
        """Parse the values of the command line; `layers` is a comma-separated list.

        Raises `ValueError` when `targets` looks like JSON and is not.
        """
        from seewhy.client import RequestOptions

        request = RequestOptions(model=model, method=method, targets=parse_targets(targets))
        if layers is not None:
            request["layer"] = split_names(layers)
        return cls(overlays=overlay_paths(photos, out=out), request=request)


@dataclass(frozen=True, kw_only=True)
class _ExplainedPhoto:
    explanation: "Explanation"
    overlays: tuple[Path, ...]
    """One per target."""


def overlay_paths(photos: Iterable[Path], *, out: Path | None) -> dict[Path, Path]:
    """Return the overlay path of each photo. Paths are unique and never overwrite a photo."""
    photos = dict.fromkeys(photos)
    paths: dict[Path, Path] = {}
    taken = {photo.absolute() for photo in photos}
    for photo in photos:
        folder = (out or photo.parent).absolute()
        stems = chain((photo.stem, photo.name), (f"{photo.name}-{n}" for n in count(2)))
        free = (stem for stem in stems if folder / f"{stem}.seewhy.jpg" not in taken)
        name = f"{next(free)}.seewhy.jpg"
        paths[photo] = (out or photo.parent) / name
        taken.add(folder / name)
    return paths


def explain_photos(
    client: "Client", options: ExplainOptions, *, output: Output = Output.TABLE
) -> bool:
    """Explain the photos, save overlays and print the results; return whether all succeeded."""
    from seewhy.cli.terminal.concurrency import print_failures, run_concurrently
    from seewhy.cli.terminal.console import output_console
    from seewhy.cli.terminal.explainer import Explainer

    explainer = Explainer(client)
    for folder in {path.parent for path in options.overlays.values()}:
        folder.mkdir(parents=True, exist_ok=True)
    explained, failures = run_concurrently(
        {
            photo: partial(_explain_photo, explainer, client, photo, overlay, options.request)
            for photo, overlay in options.overlays.items()
        },
        description="explaining",
        on_end=(lambda *end: typer.echo(_line(*end))) if output is Output.NDJSON else None,
    )
    if output is Output.JSON:
        ends = (_line(p, explained.get(p), failures.get(p)) for p in options.overlays)
        typer.echo("[" + ",\n ".join(ends) + "]")
    elif explained and output is Output.TABLE:
        output_console().print(_table(explained))
    reasons = {str(photo): reason for photo, reason in failures.items()}
    print_failures(reasons, total=len(options.overlays), noun="photos")
    return not failures


def _explain_photo(
    explainer: "Explainer",
    client: "Client",
    photo: Path,
    overlay: Path,
    request: "RequestOptions",
) -> _ExplainedPhoto:
    explanation = explainer.explain(photo, **request)
    targets = explanation.result.targets if explanation.result else ()
    paths = tuple(
        overlay.with_suffix(f".{n}.jpg") if n > 1 else overlay for n in range(1, len(targets) + 1)
    )
    for target, path in enumerate(paths):
        path.write_bytes(client.overlay(explanation, target=target))
    return _ExplainedPhoto(explanation=explanation, overlays=paths)


def _line(photo: Path, explained: _ExplainedPhoto | None, failure: str | None) -> str:
    """Return what became of a photo as one line of JSON."""
    if explained is None:
        return json.dumps({"photo": str(photo), "error": failure})
    fields = {
        "photo": str(photo),
        "overlays": [str(path) for path in explained.overlays],
        "explanation": json.loads(explained.explanation.model_dump_json()),
    }
    return json.dumps(fields)


def _table(explained: dict[Path, _ExplainedPhoto]) -> "Table":
    from rich.table import Table

    table = Table("photo", "class", "probability", "logit", "map", box=None)
    table.add_column("overlay", overflow="fold")
    for photo, one in explained.items():
        targets = one.explanation.result.targets if one.explanation.result else ()
        for target, overlay in zip(targets, one.overlays, strict=True):
            table.add_row(
                photo.name,
                f"{target.score.label} ({target.score.index})",
                f"{target.score.probability:.1%}",
                f"{target.score.logit:.2f}",
                target.verdict.value,
                str(overlay),
            )
    return table
