"""The picture of a soak, as an SVG: one row per process, one column per measure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from faults.soak import Look

MEASURES = {"memory": "resident, MB", "descriptors": "file descriptors", "threads": "threads"}
WIDTH_PX, HEIGHT_PX, MARGIN_PX = 280, 130, 36
LINE, SHADE, INK = "#2e86ab", "#e4e6e8", "#333"


def draw(looks: Mapping[str, Sequence["Look"]], path: Path, *, warm_up: float) -> None:
    """Draw every measure over the jobs done, from zero up; the warm-up is shaded."""
    panels = []
    for row, (name, seen) in enumerate(looks.items()):
        done = [look.done for look in seen]
        for column, (measure, title) in enumerate(MEASURES.items()):
            values = [float(getattr(look, measure)) for look in seen]
            panel = _panel(f"{name}: {title}", done, values, warm_up=warm_up)
            place = (column * (WIDTH_PX + MARGIN_PX), row * (HEIGHT_PX + MARGIN_PX))
            panels.append(f'<g transform="translate{place}">{panel}</g>')
    width = len(MEASURES) * (WIDTH_PX + MARGIN_PX) + MARGIN_PX
    height = len(looks) * (HEIGHT_PX + MARGIN_PX) + MARGIN_PX
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        f' font-family="sans-serif" font-size="11" fill="{INK}">'
        f'<rect width="{width}" height="{height}" fill="white"/>'
        f'<g transform="translate({MARGIN_PX},{MARGIN_PX})">{"".join(panels)}</g></svg>\n',
        "utf-8",
    )


def _panel(title: str, done: Sequence[int], values: Sequence[float], *, warm_up: float) -> str:
    most, top = max(*done, 1), max(*values, 1.0) * 1.1
    points = " ".join(
        f"{WIDTH_PX * x / most:.1f},{HEIGHT_PX * (1 - y / top):.1f}"
        for x, y in zip(done, values, strict=True)
    )
    return (
        f'<rect width="{WIDTH_PX * warm_up:.0f}" height="{HEIGHT_PX}" fill="{SHADE}"/>'
        f'<rect width="{WIDTH_PX}" height="{HEIGHT_PX}" fill="none" stroke="{INK}"/>'
        f'<text y="-6">{escape(title)}, {values[-1]:.0f} in the end</text>'
        f'<text y="{HEIGHT_PX + 14}">0</text>'
        f'<text x="{WIDTH_PX}" y="{HEIGHT_PX + 14}" text-anchor="end">{most} jobs</text>'
        f'<polyline points="{points}" fill="none" stroke="{LINE}" stroke-width="1.5"/>'
    )
