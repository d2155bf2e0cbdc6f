"""The output of `seewhy fit`: results on stdout, progress and warnings on stderr."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from seewhy_worker.training.catalog_entry import ModelFiles
from seewhy_worker.training.evaluation import SMALL_CLASS_SIZE, Evaluation
from seewhy_worker.training.features import Features

MAX_MATRIX_CLASSES = 12
"""With more classes, the report lists the most frequent mistakes instead of the full matrix."""
_MAX_MISTAKES = 10


def results_console() -> Console:
    """Return the console for results (stdout)."""
    return Console(highlight=False, markup=False, soft_wrap=True)


def notes_console() -> Console:
    """Return the console for progress, notes and warnings (stderr)."""
    return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def progress_bar(console: Console, title: str) -> Iterator[Callable[[int, int | None], None]]:
    """Yield `update(done, total)`, whose first call shows a progress bar."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=console)
    task = progress.add_task(title, total=None)

    def update(done: int, total: int | None) -> None:
        progress.start()
        progress.update(task, completed=done, total=total)

    try:
        yield update
    finally:
        if progress.live.is_started:
            progress.stop()


def skipped_lines(features: Features) -> list[str]:
    """Name each skipped file with the reason."""
    return [f"skipped {file.path}: {file.reason}" for file in features.skipped]


def memory_line(features: Features) -> str:
    """State the size of the features in memory."""
    count, width = features.rows.shape
    size_mb = features.rows.nbytes / 1e6
    return f"features: {count} images with {width} values each, {size_mb:.1f} MB"


def accuracy_lines(evaluation: Evaluation) -> list[str]:
    """State the accuracy, with a warning when there are too few images to rely on it."""
    count, correct = evaluation.count, evaluation.correct
    low, high = (f"{bound:.0%}" for bound in evaluation.confidence_interval)
    lines = [
        f"held-out accuracy: {correct / count:.1%} ({correct} of {count}; always predicting the "
        f"most common class: {evaluation.majority / count:.1%})"
    ]
    if evaluation.has_small_class:
        lines.append(
            f"WARNING: some class has fewer than {SMALL_CLASS_SIZE} held-out images, so this "
            f"accuracy is uncertain: the true value is probably between {low} and {high}."
        )
    return lines


def confusion_table(evaluation: Evaluation, labels: Sequence[str]) -> Table:
    """Show the confusion matrix or, for many classes, the most frequent mistakes."""
    confusion = evaluation.confusion
    if len(labels) > MAX_MATRIX_CLASSES:
        mistakes = confusion - np.diag(np.diagonal(confusion))
        most_frequent = np.argsort(-mistakes, axis=None, kind="stable")[:_MAX_MISTAKES]
        table = _new_table("actual", "predicted", "images")
        for row, column in zip(*np.unravel_index(most_frequent, mistakes.shape), strict=True):
            if mistakes[row, column]:
                table.add_row(labels[row], labels[column], str(mistakes[row, column]))
        return table
    table = _new_table("actual \\ predicted", *labels, "recall")
    for label, counts, recall in zip(labels, confusion, evaluation.recalls, strict=True):
        table.add_row(label, *map(str, counts), f"{recall:.0%}")
    return table


def next_lines(files: ModelFiles) -> list[str]:
    """Return the two commands that explain a photo with the new model."""
    return [
        f"export SEEWHY_MODELS_FILE={shlex.quote(str(files.catalog.absolute()))}",
        f"seewhy explain PHOTO --model {files.name}",
    ]


def _new_table(first: str, *others: str) -> Table:
    table = Table(box=None)
    table.add_column(first)
    for title in others:
        table.add_column(title, justify="right")
    return table
