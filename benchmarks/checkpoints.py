"""Time between two checkpoints of methods of many passes, and what checkpoints cost.

A cancelled explanation leaves the device at its next checkpoint. For each method, explains one
photo with chunks as the worker chooses them and with chunks of the largest batch, in turns, and
prints the longest time between two checkpoints, in seconds and in forward passes, and the ratio of
the total times. VGG16 has random weights.

    python benchmarks/checkpoints.py --model vgg16 --methods smoothgrad faster-scorecam
"""

import argparse
import itertools
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.model_files import RandomWeights
from seewhy.catalog.model_spec import ModelSpec
from seewhy.catalog.weights import obtain_weights
from seewhy.imaging.codecs import decode
from seewhy.schemas.job import MethodOptions
from seewhy.settings import load
from seewhy_worker.explain.keras_explainer import KerasExplainer, load_explainer
from seewhy_worker.explain.types import ExplanationTask

PHOTO = Path(__file__).parents[1] / "examples" / "photos" / "coffee.jpg"


@dataclass(frozen=True)
class Measurement:
    """One explanation, in seconds."""

    total_s: float
    longest_gap_s: float


def find_model(name: str) -> tuple[ModelSpec, Path | None]:
    """Return a model of the catalog and its weights; VGG16 gets random ones."""
    settings = load({})
    spec = Catalog.load(settings).get(name)
    if name == "vgg16":
        spec = spec.model_copy(update={"weights": RandomWeights(random_seed=7)})
    return spec, obtain_weights(spec, settings, progress=lambda *_: None)


def open_explainer(name: str, max_batch: int, *, cache_bytes: int = 0) -> KerasExplainer:
    """Load and warm up a model of the catalog on TensorFlow."""
    spec, weights = find_model(name)
    explainer = load_explainer(
        spec, weights_path=weights, max_batch=max_batch, activation_cache_bytes=cache_bytes
    )
    explainer.warm_up()
    return explainer


def measure(explainer: KerasExplainer, task: ExplanationTask) -> Measurement:
    """Explain once; the gaps end at each checkpoint and at the end."""
    times_s = [time.perf_counter()]
    explainer.explain([task], checkpoint=lambda: times_s.append(time.perf_counter()))
    times_s.append(time.perf_counter())
    gaps_s = (end - start for start, end in itertools.pairwise(times_s))
    return Measurement(times_s[-1] - times_s[0], max(gaps_s))


def time_of_pass(explainer: KerasExplainer, task: ExplanationTask) -> float:
    """Return the median time of a forward pass of one image, in seconds."""
    pixels = task.image.pixels[np.newaxis]
    times_s = []
    for _ in range(9):
        started_s = time.perf_counter()
        explainer.probabilities(pixels)
        times_s.append(time.perf_counter() - started_s)
    return statistics.median(times_s)


def main() -> None:
    """Print one row per method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="vgg16")
    parser.add_argument("--max-batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=["smoothgrad", "faster-scorecam"])
    arguments = parser.parse_args()
    explainer = open_explainer(arguments.model, arguments.max_batch)
    image = explainer.prepare(decode(PHOTO.read_bytes(), max_pixels=10_000_000))
    warm = ExplanationTask.create(image, (-1,), MethodOptions())
    pass_s = time_of_pass(explainer, warm)
    table = Table(
        *("method", "longest gap, s", "in passes", "with whole batches, s", "total time, ratio"),
        title=f"{arguments.model}, {1000 * pass_s:.0f} ms a pass, {arguments.rounds} rounds",
    )
    for method in arguments.methods:
        task = ExplanationTask.create(image, (-1,), MethodOptions(method=method))
        chosen: list[Measurement] = []
        whole: list[Measurement] = []
        for round_ in range(arguments.rounds + 1):
            for found, image_s in ((chosen, pass_s), (whole, 0.0)):
                explainer.set_pass_time(image_s)
                one = measure(explainer, task)
                if round_:  # the first round compiles
                    found.append(one)
        gap_s = max(one.longest_gap_s for one in chosen)
        ratios = [a.total_s / b.total_s for a, b in zip(chosen, whole, strict=True)]
        table.add_row(
            method,
            f"{gap_s:.2f}",
            f"{gap_s / pass_s:.1f}",
            f"{max(one.longest_gap_s for one in whole):.2f}",
            f"{statistics.median(ratios):.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
