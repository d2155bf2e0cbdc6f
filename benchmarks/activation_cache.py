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

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
"""The processor time of the process is steadier on a busy machine; it leaves out a GPU."""

Clock = Callable[[], float]


def duration_s(call: Callable[[], object], clock: Clock) -> float:
    """Return how long a call takes, in seconds."""
    started_s = clock()
    call()
    return clock() - started_s


def make_tasks(
    method: str, images: list[PreparedImage], *, classes: int = 1
) -> list[ExplanationTask]:
    """Explain the `classes` most probable classes of each image."""
    options = MethodOptions(method=method)
    ranks = range(-1, -1 - classes, -1)
    return [ExplanationTask.create(image, ranks, options) for image in images]


def measure(
    explainer: KerasExplainer,
    image: PreparedImage,
    method: str,
    batch: int,
    rounds: int,
    clock: Clock,
) -> list[tuple[float, float, float]]:
    """Time the forward pass, the whole explanation and the head alone, in seconds per batch."""
    pixels = np.stack([image.pixels] * batch)
    fresh = make_tasks(method, [replace(image) for _ in range(batch)])  # not recognized as equal
    kept = make_tasks(method, [replace(image, cache_key=str(row)) for row in range(batch)])
    explainer.explain(kept)
    times_s = [
        (
            duration_s(lambda: explainer.probabilities(pixels), clock),
            duration_s(lambda: explainer.explain(fresh), clock),
            duration_s(lambda: explainer.explain(kept), clock),
        )
        for _ in range(rounds + 1)
    ]
    return times_s[1:]  # the first round compiles


def main() -> None:
    """Print one row per method and batch size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="vgg16")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--methods", nargs="+", default=["gradcam", "layercam", "ablationcam"])
    arguments = parser.parse_args()
    explainer = open_explainer(arguments.model, max(arguments.batches), cache_bytes=500_000_000)
    explainer.set_pass_time(0.0)  # whole batches, also on a slow device
    image = explainer.prepare(decode(PHOTO.read_bytes(), max_pixels=10_000_000))
    table = Table(
        *("method", "batch", "forward pass, ms", "explained, ms", "ratio", "kept, ms", "ratio"),
        title=f"{arguments.model}, per image, median of {arguments.rounds} rounds",
    )
    for method, batch in itertools.product(arguments.methods, arguments.batches):
        clock = CLOCKS[arguments.clock]
        rounds = measure(explainer, image, method, batch, arguments.rounds, clock)
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
