"""Compare explanations with a plain forward pass and with other libraries: `make bench`.

    build/references/bin/python benchmarks/comparison.py [--quick | --methods | …]

VGG16 with random weights at `block5_conv3`: run time does not depend on the weights, so nothing is
downloaded. Each contender is a separate, long-lived process. Each round runs every case of every
contender once, so that a slower machine affects all of them; a ratio is the median of the rounds'
ratios. A case that would take longer than --limit-s is measured for as many classes as fit, and
marked as such.
"""

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from comparison_plot import plot_comparison
from contender_process import (
    CONTENDER_COMMANDS,
    PLAIN,
    ROOT,
    SEEWHY,
    SEEWHY_TENSORFLOW,
    Contender,
    start_contenders,
)

OUT = ROOT / "build" / "benchmarks"
PLOT = ROOT / "docs" / "images" / "comparison.png"
# Numerator and denominator, each a contender and a number of classes, and the goal.
GOALS = (
    ((SEEWHY, 1), (PLAIN, 1), "at most 0.60 where the processor computes in bfloat16"),
    ((SEEWHY_TENSORFLOW, 1), (PLAIN, 1), "at most 1.10"),
    ((SEEWHY, 5), (SEEWHY, 1), "at most 1.10"),
    ((SEEWHY_TENSORFLOW, 5), (SEEWHY_TENSORFLOW, 1), "at most 1.10"),
    (("tf-keras-vis", 1), (SEEWHY, 1), "at least 7"),
    (("pytorch-grad-cam", 1), (SEEWHY, 1), "at least 9"),
)
# Single-pass methods are measured at batch 8, the others image by image.
METHODS = {
    8: (
        "gradcam",
        "hirescam",
        "xgradcam",
        "layercam",
        "gradcam++",
        "shapleycam",
        "finercam",
        "eigencam",
        "eigengradcam",
    ),
    1: (
        "ablationcam",
        "faster-scorecam",
        "guided-backprop",
        "guided-gradcam",
        "smoothgrad",
        "integrated-gradients",
        "scorecam",
    ),
}

Case = tuple[str, int]
"""A contender and a number of classes."""
Rounds = Sequence[Mapping[Case, float]]
"""Seconds of each case, per round."""


@dataclass(frozen=True)
class Row:
    """One case of one contender. Times and ratios are medians over the rounds."""

    batch: int
    classes: int
    contender: str
    measured: int
    """Classes in the measurement; fewer than `classes` when all would have taken too long."""
    ms_per_image: float
    ratio_to_plain: float
    """Ratio to a plain forward pass of the same images."""
    ratio_to_seewhy: float | None
    """Ratio to seewhy for the same classes; None if measured for fewer classes."""


def main() -> None:
    """Print and plot the comparison, or print the cost of each method."""
    arguments = parse_arguments()
    if arguments.methods:
        measure_methods(arguments.rounds)
        return
    OUT.mkdir(parents=True, exist_ok=True)
    table = OUT / "comparison.json"
    rows = [Row(**row) for row in json.loads(table.read_text())] if table.exists() else []
    with start_contenders(list(CONTENDER_COMMANDS)) as contenders:
        for batch in arguments.batch:
            rows = [row for row in rows if row.batch != batch]
            rows += measure(contenders, batch, arguments)
            if not arguments.quick:
                table.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
                plot_comparison(rows, PLOT)
        for name, contender in contenders.items():
            print(f"{name:>22}: {contender.peak_bytes / 2**20:6.0f} MiB peak memory after loading")


def parse_arguments() -> argparse.Namespace:
    """Parse the command line; `--quick` sets the sizes."""
    parser = argparse.ArgumentParser(description="Compare seewhy with other libraries.")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--classes", type=int, nargs="+", default=[1, 5, 20])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit-s", type=float, default=120)
    parser.add_argument("--quick", action="store_true", help="run one round of a small case")
    parser.add_argument(
        "--methods", action="store_true", help="measure the methods of seewhy instead"
    )
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.batch, arguments.classes, arguments.rounds = [1], [1, 5], 1
    return arguments


def measure(
    contenders: Mapping[str, Contender], batch: int, arguments: argparse.Namespace
) -> list["Row"]:
    """Measure all contenders at one batch size and print the rows and ratios."""
    limits = {name: max_classes(one, batch, arguments.limit_s) for name, one in contenders.items()}
    limits |= {PLAIN: 1} | dict.fromkeys((SEEWHY, SEEWHY_TENSORFLOW), max(arguments.classes))
    wanted = [(name, classes) for classes in sorted(arguments.classes) for name in contenders]
    measured = {case: (case[0], min(case[1], limits[case[0]])) for case in wanted}
    cases = sorted(set(measured.values()) | {(name, 1) for name in contenders}, key=lambda c: c[1])
    for name, classes in cases:
        contenders[name].seconds(batch=batch, classes=classes)
    rounds = [
        {(name, n): contenders[name].seconds(batch=batch, classes=n) for name, n in cases}
        for _ in range(arguments.rounds)
    ]
    rows = [
        summarize(rounds, batch, case, measured[case]) for case in wanted if has_row(case, wanted)
    ]
    for row in rows:
        print(format_row(row), flush=True)
    for numerator, denominator, goal in GOALS:
        if numerator in cases and denominator in cases:
            ratio = format_ratios(ratios(rounds, numerator, denominator))
            names = (f"{name}, {classes}" for name, classes in (numerator, denominator))
            print(f"{' / '.join(names)}: {ratio}, goal {goal}")
    return rows


def has_row(case: Case, wanted: Sequence[Case]) -> bool:
    """Return whether a case has its own row; a plain pass does not depend on classes."""
    return case[0] != PLAIN or case == wanted[0]


def max_classes(contender: Contender, batch: int, limit_s: float) -> int:
    """Estimate for how many classes, at least one, a contender explains a batch in `limit_s`."""
    return max(1, int(limit_s / contender.warm_seconds(batch=batch, classes=1)))


def summarize(rounds: Rounds, batch: int, case: Case, measured: Case) -> "Row":
    """Summarise one case over the rounds; `measured` is the case that ran in its place."""
    name, classes = case
    reference = (SEEWHY, measured[1])
    comparable = measured == case and reference in rounds[0]
    return Row(
        batch=batch,
        classes=classes,
        contender=name,
        measured=measured[1],
        ms_per_image=1000 * statistics.median(one[measured] for one in rounds) / batch,
        ratio_to_plain=statistics.median(ratios(rounds, measured, (PLAIN, 1))),
        ratio_to_seewhy=statistics.median(ratios(rounds, measured, reference))
        if comparable
        else None,
    )


def ratios(rounds: Rounds, numerator: Case, denominator: Case) -> list[float]:
    """Return the ratio within each round, ascending."""
    return sorted(seconds[numerator] / seconds[denominator] for seconds in rounds)


def format_ratios(values: Sequence[float]) -> str:
    """Format the median and range of ascending ratios."""
    return f"{statistics.median(values):.3f} ({values[0]:.3f} to {values[-1]:.3f})"


def format_row(row: "Row") -> str:
    """Format one line of the table."""
    classes = (
        ""
        if row.contender == PLAIN
        else f"{row.classes:2d} class{'' if row.classes == 1 else 'es'}"
    )
    times_seewhy = (
        "" if row.ratio_to_seewhy is None else f", {row.ratio_to_seewhy:6.2f} times {SEEWHY}"
    )
    suffix = "" if row.measured == row.classes else f", measured for {row.measured} classes only"
    return (
        f"batch {row.batch:2d} {classes:>11} {row.contender:>22}: {row.ms_per_image:8.1f} ms per "
        f"image, {row.ratio_to_plain:6.2f} times a plain pass{times_seewhy}{suffix}"
    )


def measure_methods(rounds: int) -> None:
    """Print the cost of each method for one class, in plain forward passes."""
    with start_contenders([PLAIN, SEEWHY]) as contenders:
        plain, seewhy = contenders[PLAIN], contenders[SEEWHY]
        for batch, methods in METHODS.items():
            plain.warm_seconds(batch=batch, classes=1)
            for method in methods:
                case = {"batch": batch, "classes": 1, "method": method}
                seewhy.seconds(**case)
                values = sorted(
                    seewhy.seconds(**case) / plain.seconds(batch=batch, classes=1)
                    for _ in range(rounds)
                )
                print(f"{method:>22} / plain, batch {batch}: {format_ratios(values)}", flush=True)


if __name__ == "__main__":
    main()
