"""Time of five classes of one image relative to one class, with Grad-CAM.

Explains a photo for one class and for five in turns: with the heads of TensorFlow on every engine,
and with the heads of a bundle. Prints the medians of the ratios, in wall time and in the processor
time of the process. VGG16 has random weights.

    python benchmarks/classes.py --model vgg16 --rounds 15
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from activation_cache import make_tasks
from checkpoints import PHOTO
from engines import ENGINES, OTHERS_OF_DEVICE, open_explainers
from rich.console import Console
from rich.table import Table

from seewhy.imaging.codecs import decode
from seewhy.schemas.engines import EngineChoice
from seewhy_worker.bundles.reading import read_bundle
from seewhy_worker.bundles.store import BundleStore
from seewhy_worker.bundles.writing import write_bundle
from seewhy_worker.explain.keras_explainer import KerasExplainer
from seewhy_worker.explain.model_explainer import ModelExplainer
from seewhy_worker.explain.types import ExplanationTask
from seewhy_worker.ports.graphs import Graphs

CLASSES = 5
WARM_UP_ROUNDS = 2


def main() -> None:
    """Print one row for each engine and kind of heads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="vgg16")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    table = Table("body", "heads", "one class: wall, processor", "five ÷ one: wall", "processor")
    engines = [one for one in ENGINES if one == ENGINES[0] or one.startswith(OTHERS_OF_DEVICE)]
    with tempfile.TemporaryDirectory() as folder:
        for _, keras_explainer in open_explainers(arguments.model, 1, engines):
            for heads, explainer in with_bundle(keras_explainer, Path(folder)):
                table.add_row(explainer.engine, heads, *compare(explainer, arguments.rounds))
    Console(width=120).print(table)


def with_bundle(explainer: KerasExplainer, folder: Path) -> Iterator[tuple[str, ModelExplainer]]:
    """Yield the explainer, and one from its bundle if OpenVINO computes its body."""
    yield "TensorFlow", explainer
    precision = explainer.graphs.openvino_precision
    if precision is None:
        return
    choice: EngineChoice = "openvino" if precision == "float32" else "openvino-bfloat16"
    store, spec = BundleStore(folder), explainer.spec
    write_bundle(store, spec, engine=choice, graphs=explainer.graphs)
    graphs = read_bundle(store, spec, engine=choice, threads=0, load_others=_refuse)
    yield "bundle", ModelExplainer(spec=spec, graphs=graphs, device="cpu", max_batch=1)


def compare(explainer: ModelExplainer, rounds: int) -> tuple[str, str, str]:
    """Return the time of one class, and the ratios of five classes to it by both clocks."""
    image = explainer.prepare(decode(PHOTO.read_bytes(), max_pixels=10_000_000))
    one, five = (make_tasks("gradcam", [image], classes=classes) for classes in (1, CLASSES))
    times = [
        (measure(explainer, one), measure(explainer, five)) for _ in range(WARM_UP_ROUNDS + rounds)
    ][WARM_UP_ROUNDS:]
    one_ms = (1000 * statistics.median(first[clock] for first, _ in times) for clock in (0, 1))
    wall, processor = (
        ratio([second[clock] / first[clock] for first, second in times]) for clock in (0, 1)
    )
    return ", ".join(f"{each:.1f} ms" for each in one_ms), wall, processor


def measure(explainer: ModelExplainer, tasks: list[ExplanationTask]) -> tuple[float, float]:
    """Return the wall time and the processor time of an explanation, in seconds."""
    wall_s, processor_s = time.perf_counter(), time.process_time()
    explainer.explain(tasks)
    return time.perf_counter() - wall_s, time.process_time() - processor_s


def ratio(values: list[float]) -> str:
    """Return the median and the quartiles."""
    first, median, third = statistics.quantiles(values, n=4)
    return f"{median:.2f} ({first:.2f} to {third:.2f})"


def _refuse(reason: str) -> Graphs:
    raise RuntimeError(f"the bundle lacks {reason}")


if __name__ == "__main__":
    main()
