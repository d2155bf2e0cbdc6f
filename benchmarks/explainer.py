"""What an explanation costs beside a plain forward pass: ratios of paired runs, in one process.

    python benchmarks/explainer.py [--model vgg16] [--batch 8] [--rounds 9] [--methods]

VGG16 is drawn at random: the work does not depend on the weights' values, and no download is
needed. Every round runs all of them, one after the other, so that a machine that slows down slows
all of them; the figure is the median of the rounds' ratios.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from seewhy.catalog import Catalog, ModelSpec, RandomWeights
from seewhy.explanations import METHODS
from seewhy.settings import load
from seewhy.weights import obtain
from seewhy_worker.cam.methods import find_method
from seewhy_worker.gradients import compile_step
from seewhy_worker.models.loading import load_model
from seewhy_worker.models.splitting import split

REACH = {"1 target / plain": 1.10, "5 targets / 1 target": 1.15}


def main() -> None:
    arguments = _arguments()
    spec = _spec(arguments.model)
    methods = [name for name in METHODS if name != "gradcam"] if arguments.methods else []
    passes = _passes(spec, arguments.batch, methods)
    for run in passes.values():
        run()
    rounds = [
        {name: _seconds(run) for name, run in passes.items()} for _ in range(arguments.rounds)
    ]
    for name in passes:
        each_ms = 1000 * statistics.median(one[name] for one in rounds) / arguments.batch
        print(f"{name:>20}: {each_ms:7.1f} ms per picture at batch {arguments.batch}")
    for pair, reach in REACH.items():
        print(f"{pair}: {_ratio(rounds, *pair.split(' / '))}, reach {reach:.2f}")
    for method in methods:
        print(f"{method} / plain: {_ratio(rounds, method, 'plain')}")


def _ratio(rounds: Sequence[dict[str, float]], upper: str, lower: str) -> str:
    ratios = sorted(one[upper] / one[lower] for one in rounds)
    return f"{statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the explainer beside a forward pass.")
    parser.add_argument("--model", default="vgg16")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--methods", action="store_true", help="measure every method, too")
    return parser.parse_args()


def _spec(name: str) -> ModelSpec:
    spec = Catalog.load(load({})).get(name)
    if spec.is_application:
        return spec.model_copy(update={"weights": RandomWeights(random_seed=1)})
    return spec


def _passes(spec: ModelSpec, batch: int, methods: Sequence[str]) -> dict[str, Callable[[], Any]]:
    weights_path = obtain(spec, load({}), progress=lambda done, total: None)
    model = load_model(spec, weights_path=weights_path)
    parts = split(model, spec.layer)
    pixels = np.random.default_rng(0).normal(0, 60, (batch, *parts.input_shape)).astype(np.float32)

    @tf.function(input_signature=[tf.TensorSpec(pixels.shape)])
    def plain(tensor: tf.Tensor) -> tf.Tensor:
        return model(tensor, training=False)

    def explain(method: str, count: int) -> Callable[[], Any]:
        step = compile_step(parts, find_method(method), batch=batch, targets=count, rivals=0)
        targets = np.tile(-np.arange(1, count + 1, dtype=np.int32), (batch, 1))
        nobody = np.zeros((batch, 0), np.int32)
        return lambda: step(pixels, targets, nobody)

    passes = {
        "plain": lambda: plain(tf.constant(pixels)).numpy(),
        "1 target": explain("gradcam", 1),
        "5 targets": explain("gradcam", 5),
    }
    return passes | {method: explain(method, 1) for method in methods}


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
