"""A compiled graph: a function of tensors for fixed shapes."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import tensorflow as tf
from numpy.typing import NDArray

from seewhy.errors import OutOfMemory

T = TypeVar("T")


class CompiledGraph:
    """A function of tensors, or tuples of them, compiled for fixed shapes."""

    def __init__(
        self, function: Callable[..., Sequence[Any]], *inputs: Any, xla: bool = False
    ) -> None:
        """Compile a function that returns a sequence of tensors, or of tuples of them.

        `inputs` are its arguments as `tf.TensorSpec`. With `xla`, XLA compiles the graph
        in its first run. Raises `OutOfMemory`.
        """
        graph = tf.function(
            lambda *tensors: list(function(*tensors)), autograph=False, jit_compile=xla or None
        )
        self._graph = translate_oom(graph.get_concrete_function, *inputs)

    @property
    def outputs(self) -> list[Any]:
        """The shapes and types of what the function returns."""
        outputs: list[Any] = tf.nest.map_structure(
            lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), self._graph.structured_outputs
        )
        return outputs

    def __call__(self, *arrays: Any) -> list[Any]:
        """Run on arrays or tensors; the returned tensors stay on the device."""
        outputs: list[Any] = self._graph(*tf.nest.map_structure(tf.convert_to_tensor, arrays))
        return outputs


def to_numpy(tensors: Sequence[Any]) -> list[NDArray[Any]]:
    """Copy tensors from the device, after it has computed them."""
    return [tensor.numpy() for tensor in tensors]


def translate_oom(call: Callable[..., T], *args: Any) -> T:
    """Call, and raise `OutOfMemory` when the device or the process runs out of memory."""
    try:
        return call(*args)
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise OutOfMemory("the device ran out of memory: use a smaller batch") from error
