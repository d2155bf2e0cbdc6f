"""What `seewhy fit` says to people: results on stdout, everything else on stderr."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from seewhy_worker.training.catalog_entry import Place
from seewhy_worker.training.evaluation import FEW, Evaluation
from seewhy_worker.training.features import Features

WIDEST = 12
"""Classes of the largest confusion matrix that is shown whole."""
_WORST = 10


def results() -> Console:
    """The console for what was asked for."""
    return Console(highlight=False, markup=False, soft_wrap=True)


def notes() -> Console:
    """The console for progress, notes and mistakes."""
    return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def bar(console: Console, title: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar from the first thing done; the function yielded is told done and in all."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=console)
    task = progress.add_task(title, total=None)

    def show(done: int, total: int | None) -> None:
        progress.start()
        progress.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        if progress.live.is_started:
            progress.stop()


def left_out_lines(features: Features) -> list[str]:
    """Name each file that is not learned from, with the reason."""
    return [f"left out {one.path}: {one.reason}" for one in features.left_out]


def memory_line(features: Features) -> str:
    """Say what is kept in memory."""
    count, width = features.rows.shape
    return f"features: {count} pictures, {width} numbers each, {features.rows.nbytes / 1e6:.1f} MB"


def accuracy_lines(evaluation: Evaluation) -> list[str]:
    """Say how good the head is, and how little that says where there are few pictures."""
    count, right = evaluation.count, evaluation.right
    low, high = (f"{end:.0%}" for end in evaluation.interval)
    lines = [
        f"held-out accuracy: {right / count:.1%} ({right} of {count}; always answering with the "
        f"commonest class, {evaluation.commonest / count:.1%})"
    ]
    if evaluation.is_small:
        lines.append(
            f"WARNING: fewer than {FEW} held-out pictures of a class are too few to mean much: "
            f"the true accuracy may be anything from {low} to {high}."
        )
    return lines


def confusion_table(evaluation: Evaluation, labels: Sequence[str]) -> Table:
    """Show the confusion matrix, or what was most often mistaken for what, of many classes."""
    confusion = evaluation.confusion
    if len(labels) > WIDEST:
        wrong = confusion - np.diag(np.diagonal(confusion))
        worst = np.argsort(-wrong, axis=None, kind="stable")[:_WORST]
        table = _table("is", "was taken for", "pictures")
        for row, column in zip(*np.unravel_index(worst, wrong.shape), strict=True):
            if wrong[row, column]:
                table.add_row(labels[row], labels[column], str(wrong[row, column]))
        return table
    table = _table("is \\ was taken for", *labels, "right")
    for label, row, recall in zip(labels, confusion, evaluation.recalls, strict=True):
        table.add_row(label, *map(str, row), f"{recall:.0%}")
    return table


def next_lines(place: Place) -> list[str]:
    """Return the two lines that the user types next."""
    return [
        f"export SEEWHY_MODELS_FILE={shlex.quote(str(place.catalogue.absolute()))}",
        f"seewhy explain PHOTO --model {place.name}",
    ]


def _table(first: str, *others: str) -> Table:
    table = Table(box=None)
    table.add_column(first)
    for title in others:
        table.add_column(title, justify="right")
    return table
