"""Time of an explanation with and without a kept activation, relative to a forward pass.

Explains photos with each method in turns: the plain forward pass, the whole explanation, and the
head alone on an activation that was kept. Prints medians in milliseconds per image and the ratios
to the forward pass. VGG16 has random weights.

    python benchmarks/activation_cache.py --model vgg16 --methods gradcam ablationcam
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from checkpoints import PHOTO, open_explainer
from rich.console import Console
from rich.table import Table

from seewhy.imaging.codecs import decode
from seewhy.schemas.job import MethodOptions
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.types import ExplanationTask, PreparedImage


def duration_s(call: Callable[[], object]) -> float:
    """Return how long a call takes, in seconds."""
    started_s = time.perf_counter()
    call()
    return time.perf_counter() - started_s


def make_tasks(method: str, images: list[PreparedImage]) -> list[ExplanationTask]:
    """Explain the predicted class of each image."""
    return [ExplanationTask.create(i, (-1,), MethodOptions(method=method)) for i in images]


def measure(
    explainer: KerasExplainer, image: PreparedImage, method: str, batch: int, rounds: int
) -> list[tuple[float, float, float]]:
    """Time the forward pass, the whole explanation and the head alone, in seconds per batch."""
    pixels = np.stack([image.pixels] * batch)
    fresh = make_tasks(method, [image] * batch)
    kept = make_tasks(method, [replace(image, cache_key=str(row)) for row in range(batch)])
    explainer.explain(kept)
    times_s = [
        (
            duration_s(lambda: explainer.probabilities(pixels)),
            duration_s(lambda: explainer.explain(fresh)),
            duration_s(lambda: explainer.explain(kept)),
        )
        for _ in range(rounds + 1)
    ]
    return times_s[1:]  # the first round compiles


def main() -> None:
    """Print one row per method and batch size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="vgg16")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--methods", nargs="+", default=["gradcam", "layercam", "ablationcam"])
    arguments = parser.parse_args()
    explainer = open_explainer(arguments.model, max(arguments.batches), cache_bytes=500_000_000)
    image = explainer.prepare(decode(PHOTO.read_bytes(), max_pixels=10_000_000))
    table = Table(
        *("method", "batch", "forward pass, ms", "explained, ms", "ratio", "kept, ms", "ratio"),
        title=f"{arguments.model}, per image, median of {arguments.rounds} rounds",
    )
    for method, batch in itertools.product(arguments.methods, arguments.batches):
        rounds = measure(explainer, image, method, batch, arguments.rounds)
        plain_ms, whole_ms, kept_ms = (
            1000 / batch * statistics.median(column) for column in zip(*rounds, strict=True)
        )
        whole, kept = (statistics.median(one[i] / one[0] for one in rounds) for i in (1, 2))
        table.add_row(
            *(method, str(batch), f"{plain_ms:.1f}"),
            *(f"{whole_ms:.1f}", f"{whole:.2f}", f"{kept_ms:.1f}", f"{kept:.2f}"),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
