"""The plot of a soak test as an SVG: one row per process, one column per measure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from faults.soak import ProcessSample

TITLES = {
    "memory_mb": "resident memory, MB",
    "descriptors": "file descriptors",
    "threads": "threads",
}
WIDTH_PX, HEIGHT_PX, MARGIN_PX = 280, 130, 36
LINE_COLOR, SHADE_COLOR, TEXT_COLOR = "#2e86ab", "#e4e6e8", "#333"


def plot(samples: Mapping[str, Sequence["ProcessSample"]], path: Path, *, warm_up: float) -> None:
    """Plot every measure over ended jobs, from zero up; the warm-up is shaded."""
    panels = []
    for row, (name, seen) in enumerate(samples.items()):
        done = [sample.done for sample in seen]
        for column, (measure, title) in enumerate(TITLES.items()):
            values = [float(getattr(sample, measure)) for sample in seen]
            panel = _panel(f"{name}: {title}", done, values, warm_up=warm_up)
            offset_px = (column * (WIDTH_PX + MARGIN_PX), row * (HEIGHT_PX + MARGIN_PX))
            panels.append(f'<g transform="translate{offset_px}">{panel}</g>')
    width_px = len(TITLES) * (WIDTH_PX + MARGIN_PX) + MARGIN_PX
    height_px = len(samples) * (HEIGHT_PX + MARGIN_PX) + MARGIN_PX
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width_px} {height_px}"'
        f' font-family="sans-serif" font-size="11" fill="{TEXT_COLOR}">'
        f'<rect width="{width_px}" height="{height_px}" fill="white"/>'
        f'<g transform="translate({MARGIN_PX},{MARGIN_PX})">{"".join(panels)}</g></svg>\n',
        "utf-8",
    )


def _panel(title: str, done: Sequence[int], values: Sequence[float], *, warm_up: float) -> str:
    max_done, max_value = max(*done, 1), max(*values, 1.0) * 1.1
    points = " ".join(
        f"{WIDTH_PX * x / max_done:.1f},{HEIGHT_PX * (1 - y / max_value):.1f}"
        for x, y in zip(done, values, strict=True)
    )
    return (
        f'<rect width="{WIDTH_PX * warm_up:.0f}" height="{HEIGHT_PX}" fill="{SHADE_COLOR}"/>'
        f'<rect width="{WIDTH_PX}" height="{HEIGHT_PX}" fill="none" stroke="{TEXT_COLOR}"/>'
        f'<text y="-6">{escape(title)}, {values[-1]:.0f} at the end</text>'
        f'<text y="{HEIGHT_PX + 14}">0</text>'
        f'<text x="{WIDTH_PX}" y="{HEIGHT_PX + 14}" text-anchor="end">{max_done} jobs</text>'
        f'<polyline points="{points}" fill="none" stroke="{LINE_COLOR}" stroke-width="1.5"/>'
    )
