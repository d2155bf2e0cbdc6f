"""Time of several layers in one job and in a job for each, relative to a forward pass.

Explains a batch of photos with Grad-CAM in turns: the plain forward pass, the target layer alone,
all layers in a job for each, and all layers in one job. Prints the medians of the ratios. VGG16 has
random weights.

    python benchmarks/layers.py --layers block6a_expand_relu block4a_expand_relu
"""

import argparse
import statistics
from dataclasses import replace

import numpy as np
from activation_cache import CLOCKS, duration_s
from checkpoints import PHOTO, open_explainer

from seewhy.imaging.codecs import decode
from seewhy.schemas.job import MethodOptions
from seewhy_worker.explain.types import ExplanationTask


def main() -> None:
    """Print one line per way of asking."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="efficientnet-lite0")
    parser.add_argument("--layers", nargs="+", required=True, help="beside the target layer")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    arguments = parser.parse_args()
    explainer = open_explainer(arguments.model, arguments.batch, cache_bytes=0)
    explainer.set_pass_time(0.0)  # whole batches, also on a slow device
    image = explainer.prepare(decode(PHOTO.read_bytes(), max_pixels=10_000_000))
    images = [replace(image) for _ in range(arguments.batch)]  # not recognized as equal
    options = [
        MethodOptions(layers=layers) for layers in ((), *((one,) for one in arguments.layers))
    ]
    jobs = [[ExplanationTask.create(each, (-1,), one) for each in images] for one in options]
    calls = {
        "forward pass": lambda: explainer.probabilities(np.stack([image.pixels] * len(images))),
        "target layer": lambda: explainer.explain(jobs[0]),
        "all layers, a job for each": lambda: [explainer.explain(tasks) for tasks in jobs],
        "all layers in one job": lambda: explainer.explain(
            [task for tasks in zip(*jobs, strict=True) for task in tasks]
        ),
    }
    rounds = [
        [duration_s(call, CLOCKS[arguments.clock]) for call in calls.values()]
        for _ in range(arguments.rounds + 1)
    ][1:]  # the first round compiles
    for name, column in zip(calls, zip(*rounds, strict=True), strict=True):
        ratio = statistics.median(one / plain[0] for one, plain in zip(column, rounds, strict=True))
        print(f"{name:27} {ratio:.2f}")


if __name__ == "__main__":
    main()
