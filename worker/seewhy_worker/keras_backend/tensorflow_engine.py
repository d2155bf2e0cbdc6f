"""TensorFlow as the engine of bodies."""

import re
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seewhy_worker.keras_backend.bodies import Body
from seewhy_worker.keras_backend.devices import engine_name
from seewhy_worker.models.precision import computing_in_float16
from seewhy_worker.models.splitting.split_model import SplitModel, shared_body
from seewhy_worker.ports.cuts import CutTensors
from seewhy_worker.ports.failures import EngineFailed


class _OptionalBody(Body):
    """A body whose failures another engine can avoid."""

    def __call__(self, pixels: NDArray[np.float32]) -> dict[str, CutTensors]:
        try:
            return super().__call__(pixels)
        except tf.errors.OpError as error:
            raise EngineFailed(f"TensorFlow cannot compute it: {_reason(error)}") from error


class TensorFlowEngine:
    """Implements `seewhy_worker.explain.engines.Engine`."""

    def __init__(self, *, xla: bool = False, float16: bool = False) -> None:
        """Compile bodies with XLA, or let their layers compute in float16 with float32 weights.

        Activations are float32 with both.
        """
        self.name = engine_name() + " xla" * xla + " float16" * float16
        self.openvino_precision = None
        self.rounds = float16
        self.is_default = not (xla or float16)
        self._xla = xla
        self._float16 = float16

    def body(self, *models: SplitModel, batch: int) -> Body:
        """Compile the body of splits of one network.

        Raises `OutOfMemory`, and `EngineFailed` when XLA lacks an operation of it, or when a layer
        does not compute in float16.
        """
        if self.is_default:
            return Body(*models, batch=batch)
        try:
            body = self._trace(models, batch)
            # XLA compiles a graph when it runs for the first time.
            body(np.zeros((batch, *models[0].input_shape), np.float32))
        except (TypeError, ValueError) as error:
            raise EngineFailed(f"TensorFlow cannot trace it: {_reason(error)}") from error
        return body

    def _trace(self, models: tuple[SplitModel, ...], batch: int) -> Body:
        if not self._float16:
            return _OptionalBody(*models, batch=batch, xla=self._xla)
        operations = [call.operation for call in models[0].network.portable_graph.calls]
        with computing_in_float16(operations) as is_changed:
            if not is_changed:
                raise EngineFailed("none of its layers computes in float32")
            return _OptionalBody(
                *models, batch=batch, xla=self._xla, function=_in_own_types(models)
            )


def _in_own_types(models: tuple[SplitModel, ...]) -> Any:
    """Return the body with the types that its cuts have when no layer is changed."""
    body = shared_body(models)
    types = [[tensor.dtype for tensor in model.first_cut.tensors] for model in models]

    def cast(pixels: Any) -> list[tuple[Any, ...]]:
        return [
            tuple(keras.ops.cast(tensor, dtype) for tensor, dtype in zip(cut, own, strict=True))
            for cut, own in zip(body(pixels), types, strict=True)
        ]

    return cast


def _reason(error: Exception) -> str:
    """Return the first line of TensorFlow's message, without the names of its graphs."""
    line, *_ = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r" __inference\S+", "", line)[:300]
