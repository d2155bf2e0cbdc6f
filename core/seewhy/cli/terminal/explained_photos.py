"""How explained photos are printed: as lines of JSON and as a table."""

import json
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from seewhy.cli.terminal.photos import Photo, path_of_photo
from seewhy.client import Explanation
from seewhy.client.responses import Target


@dataclass(frozen=True, kw_only=True)
class ExplainedPhoto:
    """An explanation and its files."""

    explanation: Explanation
    overlays: tuple[Path, ...]
    """One per target."""


def json_line(photo: Photo, explained: ExplainedPhoto | None, failure: str | None) -> str:
    """Return what became of a photo as one line of JSON."""
    if explained is None:
        return json.dumps({"photo": str(photo), "error": failure})
    fields = {
        "photo": str(photo),
        "overlays": [str(path) for path in explained.overlays],
        "explanation": explained.explanation.to_dict(),
    }
    return json.dumps(fields)


def table_of(explained: dict[Photo, ExplainedPhoto]) -> Table:
    """Return a table with a row for each map."""
    rows = [
        (photo, target, overlay)
        for photo, one in explained.items()
        for target, overlay in zip(_targets(one.explanation), one.overlays, strict=True)
    ]
    has_regions = any(target.regions is not None for _, target, _ in rows)
    titles = ("photo", "class", "probability", "logit", "map")
    table = Table(*titles, *(("region",) if has_regions else ()), box=None)
    table.add_column("overlay", overflow="fold")
    for photo, target, overlay in rows:
        table.add_row(
            path_of_photo(photo).name,
            f"{target.score.label} ({target.score.index})",
            f"{target.score.probability:.1%}",
            f"{target.score.logit:.2f}",
            target.verdict.value,
            *((_region(target),) if has_regions else ()),
            str(overlay),
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
