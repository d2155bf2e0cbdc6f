"""Many photos explained by a service: overlays saved, a table, and what went wrong."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any, Self

from rich.markup import escape
from rich.table import Table

from seewhy.cli.concurrency import run_together, tell_failed
from seewhy.cli.console import results
from seewhy.client import Client, Explanation
from seewhy.client.client import Options

_OURS = re.compile(r"\.seewhy(\.\d+)?\.jpg$")


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What to explain, how, and where the overlay of each photo's first target goes."""

    overlays: dict[Path, Path]
    options: Options

    @classmethod
    def read(
        cls,
        photos: Sequence[Path],
        *,
        model: str | None,
        targets: str,
        method: str,
        layers: str | None = None,
        out: Path | None,
    ) -> Self:
        """Read names between commas; raises `ValueError` for targets that are no JSON.

        Overlays of an earlier run are left out when other photos were named.
        """
        options = Options(model=model, method=method, targets=parse_targets(targets))
        if layers is not None:
            options["layer"] = [name.strip() for name in layers.split(",") if name.strip()]
        return cls(overlays=overlay_paths(without_overlays(photos), out=out), options=options)


@dataclass(frozen=True, kw_only=True)
class _Done:
    explanation: Explanation
    overlays: tuple[Path, ...]


def without_overlays(photos: Sequence[Path]) -> Sequence[Path]:
    """Leave out the overlays of an earlier run, unless nothing else was named."""
    return [photo for photo in photos if not _OURS.search(photo.name)] or photos


def parse_targets(text: str) -> Any:
    """Read `predicted`, `top:N`, names and indices between commas, or JSON as a request has it."""
    if text.lstrip().startswith(("{", "[")):
        return json.loads(text)
    if text == "predicted" or text.startswith("top:"):
        return text
    items = [item.strip() for item in text.split(",") if item.strip()]
    return [int(item) if item.isdecimal() else item for item in items]


def overlay_paths(photos: Iterable[Path], *, out: Path | None) -> dict[Path, Path]:
    """Return where each photo's overlay goes: no two to one place, none over a photo."""
    photos = dict.fromkeys(photos)
    places: dict[Path, Path] = {}
    taken = {photo.absolute() for photo in photos}
    for photo in photos:
        folder = (out or photo.parent).absolute()
        names = chain((photo.stem, photo.name), (f"{photo.name}-{n}" for n in count(2)))
        free = (name for name in names if folder / f"{name}.seewhy.jpg" not in taken)
        name = f"{next(free)}.seewhy.jpg"
        places[photo] = (out or photo.parent) / name
        taken.add(folder / name)
    return places


def run(client: Client, wishes: Wishes) -> bool:
    """Explain, save, print; return whether any photo failed."""
    for folder in {place.parent for place in wishes.overlays.values()}:
        folder.mkdir(parents=True, exist_ok=True)
    done, failed = run_together(
        {
            photo: partial(_explain, client, photo, place, wishes.options)
            for photo, place in wishes.overlays.items()
        },
        description="explaining",
    )
    if done:
        results().print(_table(done))
    tell_failed({str(photo): reason for photo, reason in failed.items()}, of=len(wishes.overlays))
    return bool(failed)


def _explain(client: Client, photo: Path, place: Path, options: Options) -> _Done:
    explanation = client.explain(photo, **options)
    targets = explanation.result.targets if explanation.result else ()
    places = [
        place.with_suffix(f".{n}.jpg") if n > 1 else place for n in range(1, len(targets) + 1)
    ]
    for target, path in enumerate(places):
        path.write_bytes(client.overlay(explanation, target=target))
    return _Done(explanation=explanation, overlays=tuple(places))


def _table(done: dict[Path, _Done]) -> Table:
    table = Table("photo", "class", "probability", "logit", "map", box=None)
    table.add_column("overlay", overflow="fold")
    for photo, one in done.items():
        targets = one.explanation.result.targets if one.explanation.result else ()
        for target, overlay in zip(targets, one.overlays, strict=True):
            table.add_row(
                escape(photo.name),
                escape(f"{target.score.label} ({target.score.index})"),
                f"{target.score.probability:.1%}",
                f"{target.score.logit:.2f}",
                target.verdict.value,
                escape(str(overlay)),
            )
    return table
