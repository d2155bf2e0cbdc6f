"""Explanations beside a plain forward pass and beside other libraries: `make bench`.

    build/references/bin/python benchmarks/comparison.py [--quick | --methods | …]

VGG16 with random weights at `block5_conv3`: the work does not depend on the weights' values, and no
download is needed. Each contender is a process of its own, kept alive. In a round each takes its
turn at each case once, so that a machine that slows down slows all alike; a ratio is the median of
the rounds' ratios. A case that would take longer than --limit-s is measured for as many classes as
fit, and says so.
"""

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from asking import FIELD, OURS, PLAIN, ROOT, Contender, started
from drawing import draw

OUT = ROOT / "build" / "benchmarks"
SHOWN = ROOT / "docs" / "images" / "comparison.png"
# What is divided by what, each a contender and a number of classes, and what is to be reached.
REACH = (
    ((OURS, 1), (PLAIN, 1), "at most 1.10"),
    ((OURS, 5), (OURS, 1), "at most 1.15"),
    (("tf-keras-vis", 1), (OURS, 1), "at least 3.5"),
    (("pytorch-grad-cam", 1), (OURS, 1), "at least 3.5"),
)
# What takes one pass is measured at batch 8, all else picture by picture.
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
"""A contender, or one of our methods, and a number of classes."""
Rounds = Sequence[Mapping[Case, float]]
"""The seconds of each case in each round."""


@dataclass(frozen=True)
class Row:
    """One contender's case. Times and ratios are medians over the rounds."""

    batch: int
    classes: int
    contender: str
    measured: int
    """For how many classes it was measured: fewer where all would have taken too long."""
    ms_per_picture: float
    by_plain: float
    """Beside a plain forward pass of the same pictures."""
    by_ours: float | None
    """Beside seewhy for as many classes; None where it was measured for fewer."""


def main() -> None:
    """Print the table, and draw it; or print what each method costs."""
    arguments = parsed()
    if arguments.methods:
        measure_methods(arguments.rounds)
        return
    OUT.mkdir(parents=True, exist_ok=True)
    table = OUT / "comparison.json"
    rows = [Row(**row) for row in json.loads(table.read_text())] if table.exists() else []
    with started(list(FIELD)) as contenders:
        for batch in arguments.batch:
            rows = [row for row in rows if row.batch != batch]
            rows += measure(contenders, batch, arguments)
            if not arguments.quick:
                table.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
                draw(rows, SHOWN)
        for name, one in contenders.items():
            print(f"{name:>22}: {one.peak_bytes / 2**20:6.0f} MiB at its peak, once loaded")


def parsed() -> argparse.Namespace:
    """Read the command line; `--quick` settles the sizes."""
    parser = argparse.ArgumentParser(description="Measure seewhy beside other libraries.")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--classes", type=int, nargs="+", default=[1, 5, 20])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit-s", type=float, default=120)
    parser.add_argument("--quick", action="store_true", help="one round of a small case")
    parser.add_argument("--methods", action="store_true", help="measure our methods instead")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.batch, arguments.classes, arguments.rounds = [1], [1, 5], 1
    return arguments


def measure(
    contenders: Mapping[str, Contender], batch: int, arguments: argparse.Namespace
) -> list["Row"]:
    """Measure all contenders at one batch size, and print what was found."""
    most = {name: most_classes(one, batch, arguments.limit_s) for name, one in contenders.items()}
    most |= {PLAIN: 1, OURS: max(arguments.classes)}
    wanted = [(name, classes) for classes in sorted(arguments.classes) for name in contenders]
    measured = {case: (case[0], min(case[1], most[case[0]])) for case in wanted}
    cases = sorted(set(measured.values()) | {(name, 1) for name in contenders}, key=lambda c: c[1])
    for name, classes in cases:
        contenders[name].seconds(batch=batch, classes=classes)
    rounds = [
        {(name, n): contenders[name].seconds(batch=batch, classes=n) for name, n in cases}
        for _ in range(arguments.rounds)
    ]
    rows = [row_of(rounds, batch, case, measured[case]) for case in wanted if is_new(case, wanted)]
    for row in rows:
        print(line_of(row), flush=True)
    for upper, lower, reach in REACH:
        if upper in cases and lower in cases:
            found = spread(ratios(rounds, upper, lower))
            print(f"{upper[0]}, {upper[1]} / {lower[0]}, {lower[1]}: {found}, reach {reach}")
    return rows


def is_new(case: Case, wanted: Sequence[Case]) -> bool:
    """Say whether a case has a row: a plain pass knows no classes, and has one."""
    return case[0] != PLAIN or case == wanted[0]


def most_classes(contender: Contender, batch: int, limit_s: float) -> int:
    """Estimate for how many classes a contender explains a batch in `limit_s`; one at least."""
    return max(1, int(limit_s / contender.warm(batch=batch, classes=1)))


def row_of(rounds: Rounds, batch: int, case: Case, measured: Case) -> "Row":
    """Sum the rounds up for one case, which was measured as `measured`."""
    name, classes = case
    ours = (OURS, measured[1])
    comparable = measured == case and ours in rounds[0]
    return Row(
        batch=batch,
        classes=classes,
        contender=name,
        measured=measured[1],
        ms_per_picture=1000 * statistics.median(one[measured] for one in rounds) / batch,
        by_plain=statistics.median(ratios(rounds, measured, (PLAIN, 1))),
        by_ours=statistics.median(ratios(rounds, measured, ours)) if comparable else None,
    )


def ratios(rounds: Rounds, upper: Case, lower: Case) -> list[float]:
    """Divide within each round; ascending."""
    return sorted(one[upper] / one[lower] for one in rounds)


def spread(found: Sequence[float]) -> str:
    """Tell the median and the range of ascending ratios."""
    return f"{statistics.median(found):.3f} ({found[0]:.3f} to {found[-1]:.3f})"


def line_of(row: "Row") -> str:
    """Write one line of the table."""
    classes = (
        ""
        if row.contender == PLAIN
        else f"{row.classes:2d} class{'' if row.classes == 1 else 'es'}"
    )
    by_ours = "" if row.by_ours is None else f", {row.by_ours:6.2f} by {OURS}"
    less = "" if row.measured == row.classes else f", measured for {row.measured} classes only"
    return (
        f"batch {row.batch:2d} {classes:>11} {row.contender:>22}: {row.ms_per_picture:8.1f} ms per "
        f"picture, {row.by_plain:6.2f} by a plain pass{by_ours}{less}"
    )


def measure_methods(rounds: int) -> None:
    """Print what each of our methods costs of one class, in plain forward passes."""
    with started([PLAIN, OURS]) as contenders:
        plain, ours = contenders[PLAIN], contenders[OURS]
        for batch, methods in METHODS.items():
            plain.warm(batch=batch, classes=1)
            for method in methods:
                case = {"batch": batch, "classes": 1, "method": method}
                ours.seconds(**case)
                found = sorted(
                    ours.seconds(**case) / plain.seconds(batch=batch, classes=1)
                    for _ in range(rounds)
                )
                print(f"{method:>22} / plain, batch {batch}: {spread(found)}", flush=True)


if __name__ == "__main__":
    main()
