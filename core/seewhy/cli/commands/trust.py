"""`seewhy trust`: measure how faithful the maps of several methods are, one row per method."""

import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from seewhy.cli.terminal.arguments import (
    KeyOption,
    ModelOption,
    UrlOption,
    parse_targets,
    split_names,
)
from seewhy.cli.terminal.model_inputs import InputOption, check_inputs, parse_inputs
from seewhy.cli.terminal.photos import find_photos

if TYPE_CHECKING:
    from rich.table import Table

    from seewhy.cli.terminal.explainer import Explainer
    from seewhy.client import Client, Explanation, RequestOptions, TrustScores

# Methods of many passes take minutes on a CPU, and all requests wait in one lane.
_TIMEOUT_S = 3600.0
_COLUMNS = ("name", "x", "y", "width", "height")

Boxes = dict[str, dict[str, float]]
"""File name → x, y, width and height in pixels."""


def trust(
    photos: Annotated[list[Path], typer.Argument(help="JPEG, PNG or WebP files, and folders.")],
    methods: Annotated[
        str, typer.Option(help="Comma-separated CAM methods; see docs/methods.md.")
    ] = "gradcam,layercam,hirescam",
    target: Annotated[
        str, typer.Option(help="`predicted`, or one class name or index for all photos.")
    ] = "predicted",
    url: UrlOption = None,
    key: KeyOption = None,
    model: ModelOption = None,
    inputs: InputOption = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Object boxes: a CSV file with the columns name, x, y, width, height (pixels).",
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write all numbers to this file.")] = None,
) -> None:
    """Measure how well maps match the model: insertion, deletion, drop, pointing."""
    from seewhy.cli.terminal.service import connect_or_start

    values = parse_inputs(inputs or ())
    try:
        options = TrustOptions.parse(
            find_photos(photos),
            methods=methods,
            target=target,
            model=model,
            inputs=values,
            boxes=boxes,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    with connect_or_start(url, key=key, model=model) as client:
        check_inputs(client, values, model=model)
        all_explained = measure_trust(client, options, json_file=json)
    if not all_explained:
        raise typer.Exit(1)


@dataclass(frozen=True, kw_only=True)
class TrustOptions:
    """The photos, the methods, the box of each photo that has one, and the request options."""

    photos: tuple[Path, ...]
    methods: tuple[str, ...]
    boxes: Boxes
    request: "RequestOptions"

    @classmethod
    def parse(
        cls,
        photos: Sequence[Path],
        *,
        methods: str,
        target: str,
        model: str | None,
        inputs: Mapping[str, Sequence[float]] | None = None,
        boxes: Path | None,
    ) -> Self:
        """Parse the values of the command line.

        Raises `ValueError` when no method is left, or the boxes are invalid.
        """
        from seewhy.client import RequestOptions

        names = tuple(dict.fromkeys(split_names(methods)))
        if not names:
            raise ValueError("name at least one method")
        request = RequestOptions(
            model=model, targets=parse_targets(target), outputs=["trust"], priority="batch"
        )
        if inputs:
            request["inputs"] = inputs
        return cls(
            photos=tuple(photos),
            methods=names,
            boxes=read_boxes(boxes) if boxes else {},
            request=request,
        )


@dataclass(frozen=True, kw_only=True)
class MethodSummary:
    """The mean scores of one method over all photos. A score that no map has is NaN."""

    photos: int
    insertion: float
    deletion: float
    average_drop: float
    increase: float
    times_better_than_chance: float
    """The geometric mean."""
    pointing: float
    energy_in_box: float

    @classmethod
    def of(cls, scores: "Sequence[TrustScores]") -> Self:
        """Average the scores, each over the maps that have it."""

        def mean(read: "Callable[[TrustScores], float | bool | None]") -> float:
            values = [value for value in map(read, scores) if value is not None]
            finite = [float(value) for value in values if not math.isnan(value)]
            return math.fsum(finite) / len(finite) if finite else math.nan

        return cls(
            photos=len(scores),
            insertion=mean(lambda one: one.insertion),
            deletion=mean(lambda one: one.deletion),
            average_drop=mean(lambda one: one.drop),
            increase=mean(lambda one: one.increase),
            times_better_than_chance=math.exp(
                mean(lambda one: math.log(one.times_better_than_chance))
            ),
            pointing=mean(lambda one: one.pointing_hit),
            energy_in_box=mean(lambda one: one.energy_in_box),
        )


def read_boxes(file: Path) -> Boxes:
    """Read one box per photo. Raises `ValueError`, naming the line, when the file is invalid."""
    boxes: Boxes = {}
    with file.open(newline="", encoding="utf-8-sig") as stream:
        rows = csv.DictReader(stream)
        if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
            raise ValueError(f"{file} has no column {', '.join(missing)}")
        for row in rows:
            where = f"{file}, line {rows.line_num}"
            try:
                box = {name: float(row[name]) for name in _COLUMNS[1:]}
            except (TypeError, ValueError) as error:
                raise ValueError(f"{where}: a box needs four numbers") from error
            if not (all(map(math.isfinite, box.values())) and box["width"] > 0 < box["height"]):
                raise ValueError(f"{where}: width and height must be greater than 0")
            if row["name"] in boxes:
                raise ValueError(f"{where}: {row['name']} already has a box")
            boxes[row["name"]] = box
    return boxes


def measure_trust(client: "Client", options: TrustOptions, *, json_file: Path | None) -> bool:
    """Explain the photos by each method, print the summaries; return whether all succeeded."""
    from seewhy.cli.terminal.concurrency import print_failures, run_concurrently
    from seewhy.cli.terminal.console import error_console, output_console
    from seewhy.cli.terminal.explainer import Explainer

    explainer = Explainer(client, timeout_s=_TIMEOUT_S)
    if unknown := options.boxes.keys() - {photo.name for photo in options.photos}:
        error_console().print(f"Boxes without a photo: {', '.join(sorted(unknown))}")
    total = len(options.photos) * len(options.methods)
    explanations, failures = run_concurrently(
        (
            ((method, photo), partial(_explain, explainer, photo, method, options))
            for photo in options.photos
            for method in options.methods
        ),
        total=total,
        description="measuring maps",
    )
    by_method = {
        method: {
            photo: one for (of_method, photo), one in explanations.items() if of_method == method
        }
        for method in options.methods
    }
    summaries = {
        method: MethodSummary.of([score for one in explained.values() for score in _scores(one)])
        for method, explained in by_method.items()
        if explained
    }
    if summaries:
        output_console().print(_table(summaries))
    if json_file is not None:
        json_file.write_text(json.dumps(_report(by_method, summaries), indent=1) + "\n")
    reasons = {f"{photo} by {method}": reason for (method, photo), reason in failures.items()}
    print_failures(reasons, total=total, noun="explanations")
    return not failures


def _explain(
    explainer: "Explainer", photo: Path, method: str, options: TrustOptions
) -> "Explanation":
    from seewhy.client import RequestOptions

    request = RequestOptions(**options.request, method=method, box=options.boxes.get(photo.name))
    return explainer.explain(photo, **request)


def _scores(explanation: "Explanation") -> "list[TrustScores]":
    from seewhy.client import TrustScores

    targets = explanation.result.targets if explanation.result else ()
    return [target.trust or TrustScores() for target in targets]


def _table(summaries: dict[str, MethodSummary]) -> "Table":
    from rich.table import Table

    has_boxes = any(not math.isnan(row.pointing) for row in summaries.values())
    titles = ("photos", "insertion", "deletion", "drop", "increase", "x chance")
    table = Table(box=None)
    table.add_column("method", no_wrap=True)
    for title in (*titles, "pointing", "energy") if has_boxes else titles:
        table.add_column(title, justify="right")
    for method, row in summaries.items():
        in_boxes = (_format(row.pointing, ".0%"), _format(row.energy_in_box, ".0%"))
        table.add_row(
            method,
            str(row.photos),
            _format(row.insertion, ".3f"),
            _format(row.deletion, ".3f"),
            _format(row.average_drop, ".0%"),
            _format(row.increase, ".0%"),
            _format(row.times_better_than_chance, ".2f"),
            *(in_boxes if has_boxes else ()),
        )
    return table


def _format(value: float, spec: str) -> str:
    return "-" if math.isnan(value) else format(value, spec)


def _report(
    by_method: "dict[str, dict[Path, Explanation]]", summaries: dict[str, MethodSummary]
) -> dict[str, Any]:
    return {
        method: {
            "summary": _without_nan(vars(summaries[method])),
            "photos": [
                {
                    "photo": str(photo),
                    "class": target.score.label,
                    "index": target.score.index,
                    "verdict": target.verdict,
                    **_without_nan(
                        {"probability": target.score.probability, **scores.model_dump()}
                    ),
                }
                for photo, one in explained.items()
                for target, scores in zip(
                    one.result.targets if one.result else (), _scores(one), strict=True
                )
            ],
        }
        for method, explained in by_method.items()
        if explained
    }


def _without_nan(numbers: dict[str, Any]) -> dict[str, Any]:
    """Replace NaN, which JSON does not have, by None."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in numbers.items()
    }
