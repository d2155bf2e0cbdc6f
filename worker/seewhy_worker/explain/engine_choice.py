"""Choose the engine of a model: by its catalog entry, or by a measurement when it is loaded."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from itertools import tee

import numpy as np
from numpy.typing import NDArray

from seewhy.errors import OutOfMemory, UnsupportedModel
from seewhy.schemas.engines import EngineChoice
from seewhy_worker.explain.engine_measurement import Measured, measure, over_batches
from seewhy_worker.explain.engines import Engine, EngineBody
from seewhy_worker.explain.graph_cache import GraphCache
from seewhy_worker.keras_backend.devices import device_name, thread_count
from seewhy_worker.keras_backend.tensorflow_engine import TensorFlowEngine
from seewhy_worker.ports.failures import EngineFailed

_log = logging.getLogger(__name__)

LEAST_CORRELATION: Mapping[EngineChoice, float] = {
    "tensorflow-xla": 0.9999,
    "tensorflow-float16": 0.999,
    "tensorflow-xla-float16": 0.999,
    "openvino": 0.9999,
    "openvino-bfloat16": 0.99,
}
"""An engine is chosen only if the Grad-CAM map of every calibration image correlates at least this
much with TensorFlow's in float32, and each image has the same first class."""
MARGIN = 0.95
"""An engine is chosen only if it takes at most this share of another's time."""

_TENSORFLOW: Mapping[EngineChoice, Callable[[], Engine]] = {
    "tensorflow-xla": lambda: TensorFlowEngine(xla=True),
    "tensorflow-float16": lambda: TensorFlowEngine(float16=True),
    "tensorflow-xla-float16": lambda: TensorFlowEngine(xla=True, float16=True),
}
"""The engines of a GPU beside `tensorflow`. They run on processors, too, but slower."""


def choose_engine(
    choice: EngineChoice,
    graphs: GraphCache,
    *,
    name: str,
    images: Iterable[NDArray[np.float32]],
    largest_batch: int = 1,
) -> Engine:
    """Return the engine for the model called `name`, whose bodies `graphs` compiles.

    `auto` compares the engines of the device on `images`, pixels (H, W, 3): on a processor one by
    one, on a GPU also in batches of `largest_batch`. Raises `UnsupportedModel` when the engine that
    `choice` names cannot compute the network here, and `OutOfMemory`.
    """
    if choice == "tensorflow":
        return TensorFlowEngine()
    if choice != "auto":
        return _named_engine(choice, graphs, name)
    batches = [1]
    try:
        if device_name() == "cpu":
            others = _engines_of_processor()
        else:
            others = {each: make() for each, make in _TENSORFLOW.items()}
            batches = sorted({1, largest_batch})
    except EngineFailed as error:
        _log.info("%s is computed by TensorFlow: %s", name, error)
        return TensorFlowEngine()
    return fastest_engine(others, graphs, name=name, images=images, batches=batches)


def fastest_engine(
    others: Mapping[EngineChoice, Engine],
    graphs: GraphCache,
    *,
    name: str,
    images: Iterable[NDArray[np.float32]],
    batches: Sequence[int] = (1,),
) -> Engine:
    """Compare `others` with TensorFlow on `images`, pixels (H, W, 3), in batches of these sizes.

    An engine that cannot compute the network, or lacks memory for it, is left out, and so is a
    batch above one image for which TensorFlow lacks memory. Raises `OutOfMemory`.
    """
    engines: dict[EngineChoice, Engine] = {"tensorflow": TensorFlowEngine(), **others}
    found: list[list[Measured]] = []
    for batch, own in zip(batches, tee(images, len(batches)), strict=True):
        try:
            bodies = _compile_bodies(engines, graphs, batch, name)
            is_alone = len(bodies) == 1
            found.append([] if is_alone else measure(bodies, graphs, own, batch=batch, name=name))
        except OutOfMemory as error:
            if batch == 1:
                raise
            _log.info("%s is not measured in batches of %d: %s", name, batch, error)
    measured = over_batches(found)
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


def _named_engine(choice: EngineChoice, graphs: GraphCache, name: str) -> Engine:
    remedy = "Choose another with `engine` in the catalog or SEEWHY_WORKER_ENGINE."
    try:
        engine = _TENSORFLOW[choice]() if choice in _TENSORFLOW else _engines_of_processor()[choice]
        engine.body(graphs.model_at(()), batch=1)
    except EngineFailed as error:
        raise UnsupportedModel(
            f"{name} cannot run on the engine {choice!r}: {error}. {remedy}"
        ) from error
    except KeyError:
        raise UnsupportedModel(
            f"this processor has no engine {choice!r}: it does not compute in bfloat16. {remedy}"
        ) from None
    return engine


def _compile_bodies(
    engines: Mapping[EngineChoice, Engine], graphs: GraphCache, batch: int, name: str
) -> dict[EngineChoice, EngineBody]:
    """Return the bodies of the engines that can compute the network."""
    bodies: dict[EngineChoice, EngineBody] = {}
    for choice, engine in engines.items():
        try:
            bodies[choice] = engine.body(graphs.model_at(()), batch=batch)
        except (EngineFailed, OutOfMemory) as error:
            if choice == "tensorflow":
                raise
            _log.info("%s is not computed by %s: %s", name, engine.name, error)
    return bodies


def _engines_of_processor() -> dict[EngineChoice, Engine]:
    """Return the engines of OpenVINO. Raises `EngineFailed` if this machine has none."""
    if device_name() != "cpu":
        raise EngineFailed("OpenVINO computes on processors, and this worker has a GPU")
    if find_spec("openvino") is None:
        raise EngineFailed("OpenVINO is not installed; it has no wheels for some machines")
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
