"""Choose the engine of a model: by its catalog entry, or by a measurement when it is loaded."""

import logging
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from seewhy.errors import UnsupportedModel
from seewhy.schemas.engines import EngineChoice
from seewhy.schemas.targets import Target
from seewhy_worker.explain.engines import Engine, EngineBody
from seewhy_worker.explain.graph_cache import GraphCache
from seewhy_worker.keras_backend.devices import device_name, thread_count
from seewhy_worker.keras_backend.tensorflow_engine import TensorFlowEngine
from seewhy_worker.openvino_backend.failures import ConversionFailed
from seewhy_worker.ports.heads import HeadOutput, HeadSpec
from seewhy_worker.ports.targets import TargetTensors

_log = logging.getLogger(__name__)

LEAST_CORRELATION: Mapping[EngineChoice, float] = {"openvino": 0.9999, "openvino-bfloat16": 0.99}
"""An engine is chosen only if the Grad-CAM map of every calibration image correlates at least this
much with TensorFlow's in float32, and each image has the same first class."""
MARGIN = 0.95
"""An engine is chosen only if it takes at most this share of another's time."""
MEASURING_S = 1.5
"""After this time no further image is measured."""
LEAST_IMAGES = 3
"""Images that are measured however long they take."""


@dataclass(frozen=True, slots=True)
class Measured:
    """An engine in comparison with TensorFlow in float32 on the same images."""

    choice: EngineChoice
    time_ratio: float
    """The median of its times for a body of one image, each by TensorFlow's for the same image."""
    correlation: float
    """The worst Pearson correlation of two Grad-CAM maps of one image."""
    same_classes: bool
    """Whether each image has the same first class."""


def choose_engine(
    choice: EngineChoice, graphs: GraphCache, *, name: str, images: Iterable[NDArray[np.float32]]
) -> Engine:
    """Return the engine for the model called `name`, whose bodies `graphs` compiles.

    `auto` compares the engines of a processor on `images`, pixels (H, W, 3), and keeps TensorFlow
    on a GPU. Raises `UnsupportedModel` when the engine that `choice` names cannot compute the
    network here, and `OutOfMemory`.
    """
    tensorflow = TensorFlowEngine()
    if choice == "tensorflow":
        return tensorflow
    model = graphs.model_at(())
    if choice != "auto":
        try:
            engine = _engines_of_processor()[choice]
            engine.body(model, batch=1)
        except ConversionFailed as error:
            raise UnsupportedModel(
                f"{name} cannot run on the engine {choice!r}: {error}. Choose another with "
                "`engine` in the catalog or SEEWHY_WORKER_ENGINE."
            ) from error
        except KeyError:
            raise UnsupportedModel(
                f"this processor has no engine {choice!r}: it does not compute in bfloat16. Choose "
                "another with `engine` in the catalog or SEEWHY_WORKER_ENGINE."
            ) from None
        return engine
    engines: dict[EngineChoice, Engine] = {"tensorflow": tensorflow}
    try:
        engines |= _engines_of_processor()
        bodies = {choice: engine.body(model, batch=1) for choice, engine in engines.items()}
        measured = measure(bodies, graphs, images)
    except ConversionFailed as error:
        _log.info("%s is computed by %s: %s", name, tensorflow.name, error)
        return tensorflow
    chosen = best_engine(measured)
    for each in measured:
        _log.info(
            "%s on %s: %.2f of TensorFlow's time, maps correlate %.4f or more, %s",
            name,
            engines[each.choice].name,
            each.time_ratio,
            each.correlation,
            "same classes" if each.same_classes else "other classes",
        )
    _log.info("%s is computed by %s", name, engines[chosen].name)
    return engines[chosen]


def best_engine(measured: Sequence[Measured]) -> EngineChoice:
    """Return the fastest engine whose maps are close enough to TensorFlow's."""
    best: EngineChoice = "tensorflow"
    best_ratio = 1.0
    for each in measured:
        is_close = each.same_classes and each.correlation >= LEAST_CORRELATION[each.choice]
        if is_close and each.time_ratio <= MARGIN * best_ratio:
            best, best_ratio = each.choice, each.time_ratio
    return best


def measure(
    bodies: Mapping[EngineChoice, EngineBody],
    graphs: GraphCache,
    images: Iterable[NDArray[np.float32]],
) -> list[Measured]:
    """Compare bodies for one image with that of TensorFlow, which is the first of them.

    The engines take turns, so that a busy machine slows all of them.
    """
    times_s: dict[EngineChoice, list[float]] = {choice: [] for choice in bodies}
    maps: dict[EngineChoice, list[HeadOutput]] = {choice: [] for choice in bodies}
    head = graphs.head(HeadSpec("gradcam", "logit", (), 1, 1, 0, 1))
    targets = TargetTensors.pad([(Target(index=-1),)], 1, 1, 0)
    end_s = 0.0
    for count, image in enumerate(images):
        if count > LEAST_IMAGES and time.perf_counter() > end_s:
            break
        pixels = image[np.newaxis]
        for choice, body in bodies.items():
            started_s = time.perf_counter()
            (cut,) = body(pixels).values()
            elapsed_s = time.perf_counter() - started_s
            output = head(cut, pixels, targets)
            if count > 0:
                times_s[choice].append(elapsed_s)
                maps[choice].append(output)
        if count == 0:  # the first runs of a graph are slower
            end_s = time.perf_counter() + MEASURING_S
    reference_s, *others_s = times_s.values()
    reference, *others = maps.values()
    choices = [choice for choice in bodies if choice != "tensorflow"]
    return [
        Measured(
            choice,
            time_ratio=statistics.median(np.divide(own_s, reference_s)),
            correlation=min(
                _correlation(one.maps, other.maps)
                for one, other in zip(reference, own, strict=True)
            ),
            same_classes=all(
                np.array_equal(one.targets, other.targets)
                for one, other in zip(reference, own, strict=True)
            ),
        )
        for choice, own_s, own in zip(choices, others_s, others, strict=True)
    ]


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the Pearson correlation of two maps; -1 if only one of them has an extent."""
    first, second = (each.astype(np.float64).ravel() for each in (one, other))
    if np.array_equal(first, second, equal_nan=True):
        return 1.0
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / norm if norm > 0 and np.isfinite(norm) else -1.0


def _engines_of_processor() -> dict[EngineChoice, Engine]:
    """Return the other engines. Raises `ConversionFailed` if this machine has none."""
    if device_name() != "cpu":
        raise ConversionFailed("OpenVINO computes on processors, and this worker has a GPU")
    if find_spec("openvino") is None:
        raise ConversionFailed("OpenVINO is not installed; it has no wheels for some machines")
    # The package is optional.
    from seewhy_worker.openvino_backend.compiled_model import supports_bfloat16  # noqa: PLC0415
    from seewhy_worker.openvino_backend.openvino_engine import (  # noqa: PLC0415
        Networks,
        OpenVinoEngine,
    )

    networks, threads = Networks(), thread_count()
    engines: dict[EngineChoice, Engine] = {
        "openvino": OpenVinoEngine(threads=threads, networks=networks)
    }
    if supports_bfloat16():
        engines["openvino-bfloat16"] = OpenVinoEngine(
            precision="bfloat16", threads=threads, networks=networks
        )
    return engines
