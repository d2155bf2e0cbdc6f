"""Charts as SVG: lines over a pair of axes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH_PX, HEIGHT_PX = 440, 250
_LEFT_PX, _RIGHT_PX, _TOP_PX, _BOTTOM_PX = 62, 22, 30, 58
_COLORS = ("#1b6ca8", "#e07a1f", "#3a8f4a", "#9b3d97")
_TEXT, _GRID = "#333", "#ddd"
_TICKS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """Points joined by a line; one that is not finite interrupts it."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    dashed: bool = False
    marked: bool = False
    """Whether each point has a dot."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over a pair of axes: a linear one starts at zero."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    log_y: bool = False


def svg(chart: Chart) -> str:
    """Return a chart as an SVG element."""
    points = [
        (x, y)
        for line in chart.lines
        for x, y in zip(line.xs, line.ys, strict=True)
        if math.isfinite(x) and math.isfinite(y) and (y > 0 or not chart.log_y)
    ]
    x_axis = _Axis.linear([x for x, _ in points])
    ys = [y for _, y in points]
    y_axis = _Axis.logarithmic(ys) if chart.log_y else _Axis.linear(ys)
    parts = [_grid(x_axis, y_axis), _titles(chart)]
    for number, line in enumerate(chart.lines):
        parts.append(_drawn(line, _COLORS[number % len(_COLORS)], x_axis, y_axis))
        if len(chart.lines) > 1:
            parts.append(_legend(line, _COLORS[number % len(_COLORS)], number))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}"'
        f' width="{WIDTH_PX}" font-family="sans-serif" font-size="11" fill="{_TEXT}" role="img">'
        f"<title>{escape(chart.title)}</title>{''.join(parts)}</svg>"
    )


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    high: float
    ticks: Sequence[float]
    log: bool = False

    @classmethod
    def linear(cls, values: Sequence[float]) -> "_Axis":
        """From zero, or from the least negative value, in round steps."""
        low, high = min([0.0, *values]), max([0.0, *values])
        if high == low:
            high = low + 1
        step = _round_step((high - low) / _TICKS)
        first = math.floor(low / step) * step
        count = math.ceil((high - first) / step - 1e-9)
        ticks = [first + n * step for n in range(count + 1)]
        return cls(ticks[0], ticks[-1], ticks)

    @classmethod
    def logarithmic(cls, values: Sequence[float]) -> "_Axis":
        """Whole powers of ten around the values."""
        first = math.floor(math.log10(min(values, default=1.0)))
        last = max(first + 1, math.ceil(math.log10(max(values, default=1.0))))
        return cls(first, last, list(range(first, last + 1)), log=True)

    def share(self, value: float) -> float:
        """Return where a value lies: 0 at the start of the axis, 1 at its end."""
        placed = math.log10(value) if self.log else value
        return (placed - self.low) / (self.high - self.low)

    def labels(self) -> list[tuple[float, str]]:
        """Return where each tick lies, and its text."""
        width = self.high - self.low
        return [
            ((tick - self.low) / width, f"{10.0**tick if self.log else tick:.6g}")
            for tick in self.ticks
        ]


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= step * 0.999)


def _x_px(share: float) -> float:
    return _LEFT_PX + share * (WIDTH_PX - _LEFT_PX - _RIGHT_PX)


def _y_px(share: float) -> float:
    return HEIGHT_PX - _BOTTOM_PX - share * (HEIGHT_PX - _TOP_PX - _BOTTOM_PX)


def _grid(x_axis: _Axis, y_axis: _Axis) -> str:
    parts = []
    for share, text in x_axis.labels():
        x, bottom = _x_px(share), _y_px(0)
        parts.append(f'<path d="M{x:.1f} {bottom}V{_TOP_PX}" stroke="{_GRID}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{text}</text>')
    for share, text in y_axis.labels():
        y = _y_px(share)
        parts.append(f'<path d="M{_LEFT_PX} {y:.1f}H{_x_px(1)}" stroke="{_GRID}"/>')
        parts.append(f'<text x="{_LEFT_PX - 5}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    return "".join(parts)


def _titles(chart: Chart) -> str:
    middle_px = (_TOP_PX + HEIGHT_PX - _BOTTOM_PX) / 2
    return (
        f'<text x="{_LEFT_PX}" y="16" font-weight="bold">{escape(chart.title)}</text>'
        f'<text x="{_x_px(0.5)}" y="{HEIGHT_PX - 28}" text-anchor="middle">'
        f"{escape(chart.x_label)}</text>"
        f'<text transform="translate(13,{middle_px}) rotate(-90)" text-anchor="middle">'
        f"{escape(chart.y_label)}</text>"
    )


def _drawn(line: Line, color: str, x_axis: _Axis, y_axis: _Axis) -> str:
    path, dots, begins = [], [], True
    for x, y in zip(line.xs, line.ys, strict=True):
        if not (math.isfinite(x) and math.isfinite(y)) or (y_axis.log and y <= 0):
            begins = True
            continue
        x_px, y_px = _x_px(x_axis.share(x)), _y_px(y_axis.share(y))
        path.append(f"{'M' if begins else 'L'}{x_px:.1f} {y_px:.1f}")
        if line.marked:
            dots.append(f'<circle cx="{x_px:.1f}" cy="{y_px:.1f}" r="2.5" fill="{color}"/>')
        begins = False
    dash = ' stroke-dasharray="5 4"' if line.dashed else ""
    drawn = f'<path d="{"".join(path)}" fill="none" stroke="{color}" stroke-width="1.5"{dash}/>'
    return drawn + "".join(dots)


def _legend(line: Line, color: str, number: int) -> str:
    x, y = _LEFT_PX + number * 94, HEIGHT_PX - 10
    dash = ' stroke-dasharray="5 4"' if line.dashed else ""
    return (
        f'<path d="M{x} {y - 4}h16" stroke="{color}" stroke-width="2"{dash}/>'
        f'<text x="{x + 20}" y="{y}">{escape(line.name)}</text>'
    )
