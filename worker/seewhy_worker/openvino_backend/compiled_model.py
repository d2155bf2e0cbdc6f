"""A model of OpenVINO, compiled for the processor. Imports no TensorFlow."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypedDict

import numpy as np
import openvino
from numpy.typing import NDArray

from seewhy.errors import OutOfMemory
from seewhy_worker.openvino_backend.failures import ConversionFailed, reason
from seewhy_worker.ports.precision import Precision


class CompilerSettings(TypedDict):
    """The keyword arguments of `CompiledModel`."""

    precision: Precision
    threads: int


FIXED_BATCH_BYTES = 16_000_000
"""Up to this size of the weights, each batch size has a model of its own, which keeps a copy.

It saves the shape inference of every layer: a fifth of the time of EfficientNet-Lite0 at batch 1,
and nothing measurable of VGG16, whose weights take 59 MB."""

_TYPES: dict[Precision, str] = {"float32": "f32", "bfloat16": "bf16"}


class CompiledModel:
    """A model for one call at a time. Its dimensions may be open."""

    def __init__(
        self, model: openvino.Model, *, precision: Precision = "float32", threads: int = 0
    ) -> None:
        """Compile for `threads` threads, 0 for one per core.

        Raises `ConversionFailed` when OpenVINO lacks something for it, and `OutOfMemory`.
        """
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _TYPES[precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            # Workers of one machine would pin their threads to the same cores.
            "ENABLE_CPU_PINNING": False,
        }
        try:
            # OpenVINO gives the thread that compiles an alternate stack for signals and frees it
            # with the model: the next signal to that thread would end the process.
            with ThreadPoolExecutor(max_workers=1) as thread:
                compiled = thread.submit(
                    _translate_oom, openvino.Core().compile_model, model, "CPU", settings
                ).result()
        except RuntimeError as error:
            raise ConversionFailed(reason(error)) from error
        self._request = compiled.create_infer_request()
        self._outputs = range(len(compiled.outputs))

    def __call__(self, *arrays: NDArray[Any]) -> list[NDArray[Any]]:
        """Run on one array per input; return one array per output.

        Raises `ConversionFailed` when OpenVINO finds only now that it cannot, and `OutOfMemory`.
        """
        inputs = [np.ascontiguousarray(array) for array in arrays]
        try:
            found = _translate_oom(self._request.infer, inputs, True)
        except RuntimeError as error:
            raise ConversionFailed(reason(error)) from error
        return [found[index] for index in self._outputs]


def serves_all_batches(model: openvino.Model) -> bool:
    """Return whether a body is so large that one model of any batch size serves all of them."""
    constants = (node for node in model.get_ops() if node.get_type_name() == "Constant")
    weight_bytes: int = sum(node.get_byte_size() for node in constants)
    return weight_bytes > FIXED_BATCH_BYTES


def engine_name() -> str:
    """Return the name and version of OpenVINO."""
    version = re.match(r"[\d.]*\d", openvino.__version__)
    return f"openvino {version[0] if version else openvino.__version__}"


def processor() -> str:
    """Return the name of the processor, and what it can compute."""
    core = openvino.Core()
    abilities = " ".join(sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")))
    return f"{core.get_property('CPU', 'FULL_DEVICE_NAME')} {abilities}"


def supports_bfloat16() -> bool:
    """Return whether the processor computes in bfloat16."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _translate_oom(call: Any, *args: Any) -> Any:
    try:
        return call(*args)
    except MemoryError as error:
        raise OutOfMemory("the processor ran out of memory: use a smaller batch") from error
    except RuntimeError as error:
        if "alloc" not in str(error):
            raise
        raise OutOfMemory("the processor ran out of memory: use a smaller batch") from error
