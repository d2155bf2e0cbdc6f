"""Photos explained by several methods, each map put to the test, and one row per method."""

import csv
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from rich.table import Table

from seewhy.cli.concurrency import run_together, tell_failed
from seewhy.cli.console import notes, results
from seewhy.cli.explaining import parse_targets, without_overlays
from seewhy.client import Client, Explanation, TrustScores
from seewhy.client.client import Options

_PICTURES = {".jpg", ".jpeg", ".png", ".webp"}
# Methods of many passes take minutes on a CPU, and all wait in one lane.
_PATIENCE_S = 3600.0
_COLUMNS = ("name", "x", "y", "width", "height")

Boxes = dict[str, dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What to explain, by which methods, and the box of each photo that has one."""

    photos: tuple[Path, ...]
    methods: tuple[str, ...]
    boxes: Boxes
    options: Options

    @classmethod
    def read(
        cls,
        photos: Sequence[Path],
        *,
        methods: str,
        target: str,
        model: str | None,
        boxes: Path | None,
    ) -> Self:
        """Folders stand for the pictures in them. Raises `ValueError` for what makes no sense."""
        found = tuple(dict.fromkeys(without_overlays(list(_pictures(photos)))))
        named = tuple(dict.fromkeys(name.strip() for name in methods.split(",") if name.strip()))
        if not (found and named):
            raise ValueError("name a photo, or a folder with photos, and a method")
        return cls(
            photos=found,
            methods=named,
            boxes=read_boxes(boxes) if boxes else {},
            options=Options(
                model=model,
                targets=parse_targets(target),
                outputs=["trust"],
                priority="batch",
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One method over all photos; each number is of those of which it can be said, else NaN."""

    pictures: int
    insertion: float
    deletion: float
    average_drop: float
    increase: float
    times_better_than_chance: float
    """The geometric mean."""
    pointing: float
    energy_in_box: float

    @classmethod
    def of(cls, trusts: Sequence[TrustScores]) -> Self:
        """Summarise."""

        def mean(read: Callable[[TrustScores], float | bool | None]) -> float:
            values = [read(trust) for trust in trusts]
            said = [float(v) for v in values if v is not None and not math.isnan(v)]
            return math.fsum(said) / len(said) if said else math.nan

        return cls(
            pictures=len(trusts),
            insertion=mean(lambda trust: trust.insertion),
            deletion=mean(lambda trust: trust.deletion),
            average_drop=mean(lambda trust: trust.drop),
            increase=mean(lambda trust: trust.increase),
            times_better_than_chance=math.exp(
                mean(lambda trust: math.log(trust.times_better_than_chance))
            ),
            pointing=mean(lambda trust: trust.pointing_hit),
            energy_in_box=mean(lambda trust: trust.energy_in_box),
        )


def read_boxes(file: Path) -> Boxes:
    """Read one box per photo, by file name. Raises `ValueError` that names the line."""
    boxes: Boxes = {}
    with file.open(newline="", encoding="utf-8-sig") as opened:
        rows = csv.DictReader(opened)
        if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
            raise ValueError(f"{file} has no column {', '.join(missing)}")
        for row in rows:
            where = f"{file}, line {rows.line_num}"
            try:
                box = {name: float(row[name]) for name in _COLUMNS[1:]}
            except (TypeError, ValueError) as error:
                raise ValueError(f"{where}: a box is four numbers") from error
            if not (all(map(math.isfinite, box.values())) and box["width"] > 0 < box["height"]):
                raise ValueError(f"{where}: a box has a width and a height above 0")
            if row["name"] in boxes:
                raise ValueError(f"{where}: {row['name']} has a box already")
            boxes[row["name"]] = box
    return boxes


def run(client: Client, wishes: Wishes, *, json_file: Path | None) -> bool:
    """Explain, print, write; return whether any photo failed by any method."""
    if unknown := wishes.boxes.keys() - {photo.name for photo in wishes.photos}:
        notes().print(f"no such photo for the boxes of {', '.join(sorted(unknown))}")
    done, failed = run_together(
        {
            (method, photo): partial(_explain, client, photo, method, wishes)
            for photo in wishes.photos
            for method in wishes.methods
        },
        description="testing maps",
    )
    by_method = {
        method: {photo: one for (by, photo), one in done.items() if by == method}
        for method in wishes.methods
    }
    summaries = {
        method: Summary.of([trust for one in explained.values() for trust in _trusts(one)])
        for method, explained in by_method.items()
        if explained
    }
    if summaries:
        results().print(_table(summaries))
    if json_file is not None:
        json_file.write_text(json.dumps(_numbers(by_method, summaries), indent=1) + "\n")
    asked = len(wishes.photos) * len(wishes.methods)
    reasons = {f"{photo} by {method}": reason for (method, photo), reason in failed.items()}
    tell_failed(reasons, of=asked, what="explanations")
    return bool(failed)


def _pictures(places: Iterable[Path]) -> Iterable[Path]:
    for place in places:
        if place.is_dir():
            yield from sorted(p for p in place.iterdir() if p.suffix.lower() in _PICTURES)
        else:
            yield place


def _explain(client: Client, photo: Path, method: str, wishes: Wishes) -> Explanation:
    options = Options(**wishes.options, method=method, box=wishes.boxes.get(photo.name))
    return client.explain(photo, timeout_s=_PATIENCE_S, **options)


def _trusts(explanation: Explanation) -> list[TrustScores]:
    targets = explanation.result.targets if explanation.result else ()
    return [target.trust or TrustScores() for target in targets]


def _table(summaries: dict[str, Summary]) -> Table:
    framed = any(not math.isnan(row.pointing) for row in summaries.values())
    titles = ("photos", "insertion", "deletion", "drop", "increase", "x chance")
    table = Table(box=None)
    table.add_column("method", no_wrap=True)
    for title in (*titles, "pointing", "energy") if framed else titles:
        table.add_column(title, justify="right")
    for method, row in summaries.items():
        in_boxes = (_shown(row.pointing, ".0%"), _shown(row.energy_in_box, ".0%"))
        table.add_row(
            method,
            str(row.pictures),
            _shown(row.insertion, ".3f"),
            _shown(row.deletion, ".3f"),
            _shown(row.average_drop, ".0%"),
            _shown(row.increase, ".0%"),
            _shown(row.times_better_than_chance, ".2f"),
            *(in_boxes if framed else ()),
        )
    return table


def _shown(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


def _numbers(
    by_method: dict[str, dict[Path, Explanation]], summaries: dict[str, Summary]
) -> dict[str, Any]:
    """Say everything as JSON takes it: NaN is null."""
    return {
        method: {
            "summary": _plain(vars(summaries[method])),
            "pictures": [
                {
                    "photo": str(photo),
                    "class": target.score.label,
                    "index": target.score.index,
                    "verdict": target.verdict,
                    **_plain(
                        {
                            "probability": target.score.probability,
                            **(target.trust or TrustScores()).model_dump(),
                        }
                    ),
                }
                for photo, one in explained.items()
                for target in (one.result.targets if one.result else ())
            ],
        }
        for method, explained in by_method.items()
        if explained
    }


def _plain(numbers: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in numbers.items()
    }
