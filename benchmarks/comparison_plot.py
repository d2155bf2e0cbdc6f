"""A plot of the comparison: one panel per batch size."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

COLORS = ("#9aa0a6", "#d1495b", "#2e86ab", "#8d6cab", "#66a182", "#edae49")


def plot_comparison(rows: Sequence[Any], path: Path) -> None:
    """Plot milliseconds per image on logarithmic axes, as a PNG.

    The first contender does not depend on classes and is a horizontal line. A hollow marker was
    measured for fewer classes and stands at the number that was measured.
    """
    mpl.rcParams["font.size"] = 9
    rows = sorted(rows, key=lambda row: row.batch)
    names = list(dict.fromkeys(row.contender for row in rows))
    panels = {batch: list(group) for batch, group in groupby(rows, key=lambda row: row.batch)}
    figure = Figure(figsize=(3.2 * len(panels) + 0.6, 3.4), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (batch, panel) in zip(axes, panels.items(), strict=True):
        classes = sorted({row.classes for row in panel})
        for name, color in zip(names, COLORS, strict=True):
            points = sorted(
                (row.measured, row.ms_per_image) for row in panel if row.contender == name
            )
            complete = {row.classes for row in panel if row.contender == name}
            if name == names[0]:
                axis.axhline(points[0][1], color=color, linestyle="--", label=name)
                continue
            axis.plot(*zip(*points, strict=True), color=color, label=name)
            for count, ms in points:
                face = color if count in complete else "white"
                axis.plot(count, ms, "o", color=color, markerfacecolor=face)
        axis.set(xscale="log", yscale="log", title=f"batch {batch}", xlabel="classes")
        axis.set_xticks(classes, labels=[str(count) for count in classes])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("ms per image")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(panels)
    )
    figure.savefig(path, dpi=150)
