"""Time and fidelity of explanations on each engine.

`times` explains a batch of photos with Grad-CAM on every engine in turns, beside a plain forward
pass of TensorFlow in float32, and prints the medians of the ratios to it. `fidelity` explains crops
of photos with each method on every engine, and prints how the maps of the first class correlate
with those of TensorFlow. `methods` prints the time of each method, and of the trust scores of
Grad-CAM (`trust`), on every engine. VGG16 has random weights.

    python benchmarks/engines.py times --model efficientnet-lite0 --batches 1 8
    python benchmarks/engines.py fidelity --methods gradcam hirescam
    python benchmarks/engines.py methods --clock cpu --methods ablationcam trust --batches 1

Without `--engines`, these are the engines that a worker measures on the device: those of OpenVINO
on a processor, XLA and float16 on a GPU.
"""

import argparse
import itertools
import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import tensorflow as tf
from activation_cache import CLOCKS, duration_s, make_tasks
from checkpoints import find_model
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from seewhy.errors import UnsupportedModel
from seewhy.imaging.codecs import decode
from seewhy.schemas.engines import EngineChoice
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.methods import METHODS
from seewhy_worker.explain.keras_explainer import KerasExplainer, load_explainer
from seewhy_worker.explain.types import ImageExplanation
from seewhy_worker.keras_backend.devices import device_name
from seewhy_worker.models.loading import load_model

PHOTOS = sorted((Path(__file__).parents[1] / "examples" / "photos").glob("*.jpg"))
ENGINES: tuple[EngineChoice, ...] = tuple(one for one in get_args(EngineChoice) if one != "auto")
OTHERS_OF_DEVICE = "openvino" if device_name() == "cpu" else "tensorflow"
TRUST = "trust"
"""Stands for Grad-CAM with trust scores."""


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("times", "fidelity", "methods"))
    parser.add_argument("--model", default="efficientnet-lite0")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument(
        "--engines",
        nargs="+",
        choices=ENGINES[1:],
        default=[one for one in ENGINES[1:] if one.startswith(OTHERS_OF_DEVICE)],
        help="beside tensorflow",
    )
    arguments = parser.parse_args()
    engines: tuple[EngineChoice, ...] = ("tensorflow", *arguments.engines)
    explainers = dict(open_explainers(arguments.model, max(arguments.batches), engines))
    if arguments.what == "times":
        table = Table("batch", "what", "ms an image", "÷ plain pass (quartiles)")
        for batch in arguments.batches:
            for row in times(explainers, arguments.model, batch, arguments):
                table.add_row(str(batch), *row)
    elif arguments.what == "methods":
        names = [explainer.engine for explainer in explainers.values()]
        table = Table("method", "batch", *(f"{name}, ms an image" for name in names))
        for method, batch in itertools.product(arguments.methods, arguments.batches):
            table.add_row(method, str(batch), *method_times(explainers, method, batch, arguments))
    else:
        table = Table("method", "engine", "correlation: median, worst", "same first class")
        for method in arguments.methods:
            for row in fidelity(explainers, method):
                table.add_row(method, *row)
    Console(width=120).print(table)


def open_explainers(
    name: str, max_batch: int, engines: Iterable[EngineChoice]
) -> Iterator[tuple[EngineChoice, KerasExplainer]]:
    """Load the model once for each of `engines` that this machine has."""
    spec, weights = find_model(name)
    for engine in engines:
        try:
            explainer = load_explainer(
                spec, weights_path=weights, max_batch=max_batch, engine=engine
            )
        except UnsupportedModel as error:
            print(f"{engine}: {error}")
            continue
        explainer.set_pass_time(0.0)  # whole batches, also on a slow device
        yield engine, explainer


def times(
    explainers: dict[EngineChoice, KerasExplainer],
    name: str,
    batch: int,
    arguments: argparse.Namespace,
) -> Iterator[tuple[str, str, str]]:
    """Time the plain pass and the explanation on each engine, in turns."""
    images = [explainers["tensorflow"].prepare(photo) for photo in crops()][:batch]
    pixels = np.stack([image.pixels for image in images])
    spec, weights = find_model(name)
    network = load_model(spec, weights_path=weights)
    plain = tf.function(lambda tensor: network(tensor, training=False)).get_concrete_function(
        tf.TensorSpec(pixels.shape, tf.float32)
    )
    calls: dict[str, Callable[[], object]] = {
        "plain pass": lambda: plain(tf.constant(pixels)).numpy()
    }
    for explainer in explainers.values():
        tasks = make_tasks("gradcam", images)
        calls[explainer.engine] = partial(explainer.explain, tasks)
    clock = CLOCKS[arguments.clock]
    rounds = [
        [duration_s(call, clock) for call in calls.values()] for _ in range(arguments.rounds + 2)
    ][2:]  # the first rounds compile
    for what, column in zip(calls, zip(*rounds, strict=True), strict=True):
        ratios = [one / plain_s for one, (plain_s, *_) in zip(column, rounds, strict=True)]
        first, median, third = statistics.quantiles(ratios, n=4)
        yield (
            what,
            f"{1000 * statistics.median(column) / batch:.1f}",
            f"{median:.2f} ({first:.2f} to {third:.2f})",
        )


def method_times(
    explainers: dict[EngineChoice, KerasExplainer],
    method: str,
    batch: int,
    arguments: argparse.Namespace,
) -> Iterator[str]:
    """Time a method on each engine, in turns; with a ratio to the first engine."""
    images = [explainers["tensorflow"].prepare(photo) for photo in crops()][:batch]
    tasks = make_tasks("gradcam" if method == TRUST else method, images)
    if method == TRUST:
        options = MethodOptions(trust=True)
        tasks = [replace(task, options=options) for task in tasks]
    clock = CLOCKS[arguments.clock]
    rounds = [
        [duration_s(partial(explainer.explain, tasks), clock) for explainer in explainers.values()]
        for _ in range(arguments.rounds + 1)
    ][1:]  # the first round compiles
    for column in zip(*rounds, strict=True):
        ratio = statistics.median(one / row[0] for one, row in zip(column, rounds, strict=True))
        yield f"{1000 * statistics.median(column) / batch:.1f} ({ratio:.2f})"


def fidelity(
    explainers: dict[EngineChoice, KerasExplainer], method: str
) -> Iterator[tuple[str, str, str]]:
    """Compare the maps of each engine with those of TensorFlow."""
    reference, *others = explainers.values()
    images = [reference.prepare(crop) for crop in crops()]
    expected = reference.explain(make_tasks(method, images))
    for explainer in others:
        found = explainer.explain(make_tasks(method, images))
        pairs = list(zip(found, expected, strict=True))
        same = [pair for pair in pairs if first_class(pair[0]) == first_class(pair[1])]
        correlations = [correlation(one.maps[0], other.maps[0]) for one, other in same]
        yield (
            explainer.engine,
            f"{statistics.median(correlations):.4f}, {min(correlations):.4f}",
            f"{len(same)} of {len(pairs)}",
        )


def crops() -> Iterator[NDArray[np.uint8]]:
    """Yield each photo whole, mirrored, and its middle."""
    for path in PHOTOS:
        photo = decode(path.read_bytes(), max_pixels=50_000_000)
        yield photo
        yield photo[:, ::-1]
        yield photo[photo.shape[0] // 5 :, photo.shape[1] // 5 : -(photo.shape[1] // 5)]


def first_class(explanation: ImageExplanation) -> int:
    """Return the index of the explained class."""
    return explanation.targets[0].score.index


def correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the Pearson correlation of two maps."""
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


if __name__ == "__main__":
    main()
