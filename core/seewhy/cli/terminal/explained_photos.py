"""Explained photos: save their files, and print them as lines of JSON and as a table."""

import json
import webbrowser
from collections.abc import Iterable
from dataclasses import dataclass
from math import isnan
from pathlib import Path

from rich.table import Table

from seewhy.cli.terminal.console import error_console
from seewhy.cli.terminal.photos import Photo, path_of_photo
from seewhy.client import Client, Explanation
from seewhy.client.responses import Target


@dataclass(frozen=True, kw_only=True)
class ExplainedPhoto:
    """An explanation and its files."""

    explanation: Explanation
    overlays: tuple[Path, ...]
    """One per target."""
    page: Path | None = None
    """The HTML file, if there is one."""


def save_files(
    client: Client,
    explanation: Explanation,
    overlay: Path,
    *,
    html: bool = False,
    keep: bool = False,
) -> ExplainedPhoto:
    """Save one overlay for each target, and with `html` a page beside the first.

    With `keep`, only those that are missing are saved.
    """
    count = len(explanation.result.targets) if explanation.result else 0
    paths = tuple(
        overlay.with_suffix(f".{n}.jpg") if n > 1 else overlay for n in range(1, count + 1)
    )
    for target, path in enumerate(paths):
        if not (keep and path.exists()):
            client.save(explanation, path, target=target)
    page = overlay.with_suffix(".html") if html else None
    if page and not (keep and page.exists()):
        client.save(explanation, page)
    return ExplainedPhoto(explanation=explanation, overlays=paths, page=page)


def open_first_page(explained: Iterable[ExplainedPhoto]) -> None:
    """Open the first page in a browser, or say where it is."""
    page = next((one.page for one in explained if one.page), None)
    if page and not webbrowser.open(page.absolute().as_uri()):
        error_console().print(f"There is no browser to open {page}", soft_wrap=True)


def json_line(photo: Photo, explained: ExplainedPhoto | None, failure: str | None) -> str:
    """Return what became of a photo as one line of JSON."""
    if explained is None:
        return json.dumps({"photo": str(photo), "error": failure})
    fields = {
        "photo": str(photo),
        "overlays": [str(path) for path in explained.overlays],
        **({"html": str(explained.page)} if explained.page else {}),
        "explanation": explained.explanation.to_dict(),
    }
    return json.dumps(fields)


def table_of(explained: dict[Photo, ExplainedPhoto]) -> Table:
    """Return a table with a row for each map. A page is in the folder of its overlay."""
    rows = [
        (photo, target, overlay, one.page)
        for photo, one in explained.items()
        for target, overlay in zip(_targets(one.explanation), one.overlays, strict=True)
    ]
    has_regions = any(target.regions is not None for _, target, _, _ in rows)
    has_pages = any(one.page for one in explained.values())
    has_values = any(target.score.value is not None for _, target, _, _ in rows)
    titles = ("photo", "class", "value" if has_values else "probability", "logit", "map")
    table = Table(*titles, *(("region",) if has_regions else ()), box=None)
    for title in ("overlay", *(("page",) if has_pages else ())):
        table.add_column(title, overflow="fold")
    for photo, target, overlay, page in rows:
        table.add_row(
            path_of_photo(photo).name,
            f"{target.score.label} ({target.score.index})",
            target.score.text,
            "-" if isnan(target.score.logit) else f"{target.score.logit:.2f}",
            target.verdict.value,
            *((_region(target),) if has_regions else ()),
            str(overlay),
            *((page.name if page else "-",) if has_pages else ()),
        )
    return table


def _targets(explanation: Explanation) -> tuple[Target, ...]:
    return explanation.result.targets if explanation.result else ()


def _region(target: Target) -> str:
    """Return x, y, width and height of the largest region in pixels."""
    if not target.regions:
        return "-"
    box = target.regions[0].box
    return f"{box.x:.0f},{box.y:.0f} {box.width:.0f}x{box.height:.0f}"
