"""`seewhy explain`: explain photos, save overlays and print a table."""

from collections.abc import Callable, Iterator
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, cast

import typer

from seewhy.cli.terminal.arguments import KeyOption, ModelOption, UrlOption
from seewhy.cli.terminal.explain_options import ExplainOptions, parse_request
from seewhy.cli.terminal.model_inputs import InputOption, check_inputs, parse_inputs
from seewhy.cli.terminal.photos import Photo, find_photos_and_urls
from seewhy.cli.terminal.score_options import ReferenceOption, WithinOption, add_reference

if TYPE_CHECKING:
    from seewhy.cli.terminal.explained_photos import ExplainedPhoto
    from seewhy.cli.terminal.explainer import Explainer
    from seewhy.client import Client, ImageResult

MAX_SINGLE_REQUESTS = 32
"""More photos than this are sent in batches.

Measured once by hand, with a stub model: a batch takes a fifth of the API's CPU time per photo, and
a seventh of the client's. Its first result comes half a second later than that of a single request,
so a batch finishes sooner from about 40 photos on.
"""


_Photos = Annotated[
    list[str],
    typer.Argument(
        help="JPEG, PNG or WebP files, folders with such files, or URLs that the service may "
        "read, such as https://example.com/cat.jpg.",
    ),
]
_Targets = Annotated[
    str,
    typer.Option(
        help="The classes to explain: `predicted`, `top:3`, comma-separated class names and "
        'indices such as `cat,dog,281`, or JSON such as `{"why": "cat", "not": ["dog"]}`.'
    ),
]
_Layer = Annotated[
    str | None,
    typer.Option(help="The layer to explain. The maps of comma-separated layers are fused."),
]
_Out = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the overlays. Default: beside each photo; the current one for URLs."
    ),
]
_Html = Annotated[
    bool,
    typer.Option(
        "--html",
        help="Save a page as NAME.seewhy.html, too, which opens without the service.",
    ),
]
_Open = Annotated[
    bool,
    typer.Option("--open", help="Open the page of the first photo in a browser; implies --html."),
]
_Regions = Annotated[
    bool, typer.Option("--regions", help="Show the box of the largest region of each map.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON array instead of a table.")]
_Ndjson = Annotated[
    bool, typer.Option("--ndjson", help="Print a line of JSON for each photo when it is done.")
]
_Resume = Annotated[
    Path | None,
    typer.Option(
        dir_okay=False,
        help="A file that records what was asked and answered. A command that was stopped and "
        "is started again with the same file and options asks nothing twice.",
    ),
]


def explain(
    photos: _Photos,
    url: UrlOption = None,
    key: KeyOption = None,
    model: ModelOption = None,
    targets: _Targets = "predicted",
    method: Annotated[str, typer.Option(help="The CAM method; see docs/methods.md.")] = "gradcam",
    layer: _Layer = None,
    inputs: InputOption = None,
    within: WithinOption = None,
    reference: ReferenceOption = None,
    out: _Out = None,
    html: _Html = False,
    open_page: _Open = False,
    regions: _Regions = False,
    resume: _Resume = None,
    as_json: _Json = False,
    as_ndjson: _Ndjson = False,
) -> None:
    """Explain photos: print classes and scores, save overlays as NAME.seewhy.jpg.

    More than 32 photos are sent in batches, which cost the API less; single requests go first.

    Exits with status 0 if all photos were explained, 1 if some were not, 2 if an argument is wrong,
    for example if a photo does not exist, and 130 if it was stopped with Ctrl-C. With --json and
    --ndjson, stdout has nothing but JSON.
    """
    from seewhy.cli.terminal.service import connect_or_start
    from seewhy.client import JournalUnusable

    output = Output.chosen(as_json=as_json, as_ndjson=as_ndjson)
    try:
        found = find_photos_and_urls(photos)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    values = parse_inputs(inputs or ())
    try:
        request = parse_request(
            model=model,
            targets=targets,
            method=method,
            layers=layer,
            inputs=values,
            within=within,
            regions=regions,
        )
    except ValueError as error:
        raise typer.BadParameter(f"--targets is not valid JSON: {error}") from error
    options = ExplainOptions.create(
        found, request, out=out, html=html, open_page=open_page, resume=resume
    )
    with connect_or_start(url, key=key, model=model) as client:
        check_inputs(client, values, model=model)
        add_reference(client, request, reference)
        try:
            all_explained = explain_photos(client, options, output=output)
        except JournalUnusable as error:
            raise typer.BadParameter(str(error)) from error
    if not all_explained:
        raise typer.Exit(1)


class Output(Enum):
    """What the command prints on stdout."""

    TABLE = auto()
    JSON = auto()
    NDJSON = auto()

    @classmethod
    def chosen(cls, *, as_json: bool, as_ndjson: bool) -> "Output":
        """Return what the options choose. Raises `BadParameter` when they exclude each other."""
        if as_json and as_ndjson:
            raise typer.BadParameter("--json and --ndjson exclude each other")
        return cls.JSON if as_json else cls.NDJSON if as_ndjson else cls.TABLE


_Tasks = Iterator[tuple[Photo, Callable[[], "ExplainedPhoto"]]]
"""Each photo, and what explains it or saves its result."""


def explain_photos(
    client: "Client", options: ExplainOptions, *, output: Output = Output.TABLE
) -> bool:
    """Explain the photos, save overlays and print the results; return whether all succeeded."""
    from seewhy.cli.terminal.concurrency import print_failures, run_concurrently
    from seewhy.cli.terminal.console import output_console
    from seewhy.cli.terminal.explained_photos import json_line, open_first_page, table_of

    for folder in {path.parent for path in options.overlays.values()}:
        folder.mkdir(parents=True, exist_ok=True)
    in_batches = options.resume is not None or len(options.overlays) > MAX_SINGLE_REQUESTS
    tasks = _batch_tasks(client, options) if in_batches else _single_tasks(client, options)
    ended, failures = run_concurrently(
        tasks,
        total=len(options.overlays),
        description="explaining",
        on_end=(lambda *end: typer.echo(json_line(*end))) if output is Output.NDJSON else None,
    )
    explained = {photo: ended[photo] for photo in options.overlays if photo in ended}
    if output is Output.JSON:
        ends = (json_line(p, explained.get(p), failures.get(p)) for p in options.overlays)
        typer.echo("[" + ",\n ".join(ends) + "]")
    elif explained and output is Output.TABLE:
        output_console().print(table_of(explained))
    if options.open_page:
        open_first_page(explained.values())
    reasons = {str(photo): reason for photo, reason in failures.items()}
    print_failures(reasons, total=len(options.overlays), noun="photos")
    return not failures


def _single_tasks(client: "Client", options: ExplainOptions) -> _Tasks:
    """Yield for each photo what explains it by a request of its own."""
    from seewhy.cli.terminal.explainer import Explainer

    explainer = Explainer(client)
    for photo in options.overlays:
        yield photo, partial(_explain_photo, explainer, client, photo, options)


def _batch_tasks(client: "Client", options: ExplainOptions) -> _Tasks:
    """Yield what saves the result of each photo, when it arrives.

    Without a journal, the first photo has a request of its own, whose answer says at once what the
    service warns of, such as a model without workers.
    """
    from seewhy.client import ClientError, JournalUnusable

    photos = list(options.overlays)
    if options.resume is None:
        first = ExplainOptions(
            overlays={photos[0]: options.overlays[photos[0]]},
            request=options.request,
            html=options.html,
        )
        yield from _single_tasks(client, first)
        photos = photos[1:]
    left = dict.fromkeys(photos)
    try:
        for result in client.explain_many(photos, resume=options.resume, **options.request):
            photo = cast("Photo", result.image)
            del left[photo]
            yield photo, partial(_save_result, client, result, photo, options)
    except JournalUnusable:
        raise
    except (ClientError, OSError) as error:  # a service that does not answer, or a full disk
        for photo in left:
            yield photo, partial(_fail, error)


def _explain_photo(
    explainer: "Explainer", client: "Client", photo: Photo, options: ExplainOptions
) -> "ExplainedPhoto":
    from seewhy.cli.terminal.explained_photos import save_files

    explanation = explainer.explain(photo, **options.request)
    return save_files(client, explanation, options.overlays[photo], html=options.html)


def _save_result(
    client: "Client", result: "ImageResult", photo: Photo, options: ExplainOptions
) -> "ExplainedPhoto":
    from seewhy.cli.terminal.explained_photos import save_files

    explanation, overlay = result.require_explanation(), options.overlays[photo]
    return save_files(client, explanation, overlay, html=options.html, keep=result.resumed)


def _fail(error: Exception) -> NoReturn:
    raise error
