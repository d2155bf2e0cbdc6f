"""The loop over the chunks of a method of many passes, with checkpoints in time."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seewhy_worker.checkpoints.checkpoint import CALL_S, Checkpoint
from seewhy_worker.keras_backend.compiled_graph import CompiledGraph, to_numpy


class ChunkLoop:
    """Applies a function to chunks, one after the other.

    A call from Python costs as much as several cheap chunks do, so one call runs as many chunks
    as take `CALL_S`, and at least one. The results do not depend on how many.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        chunks: Sequence[NDArray[Any]],
        *constants: Any,
    ) -> None:
        """Compile `function(*chunk, *constants)`, which returns a float32 tensor.

        `constants` are tensors, or tuples of them, as `tf.TensorSpec`.

        Each array in `chunks` has one row per chunk.
        """

        def run(*arrays: Any) -> list[Any]:
            rows, rest = arrays[: len(chunks)], arrays[len(chunks) :]
            return [
                tf.map_fn(
                    lambda chunk: function(*chunk, *rest),
                    rows,
                    fn_output_signature=tf.float32,
                    parallel_iterations=1,
                )
            ]

        specs = (tf.TensorSpec((None, *rows.shape[1:]), rows.dtype) for rows in chunks)
        self._graph = CompiledGraph(run, *specs, *constants)
        self._chunks = chunks
        self._per_call = 1

    def __call__(self, *constants: Any, checkpoint: Checkpoint) -> NDArray[np.float32]:
        """Return the results of all chunks, (chunks, …), with a checkpoint before each call."""
        results: list[NDArray[np.float32]] = []
        start, count = 0, len(self._chunks[0])
        while start < count:
            checkpoint()
            stop = min(start + self._per_call, count)
            started_s = time.perf_counter()
            results += to_numpy(
                self._graph(*(rows[start:stop] for rows in self._chunks), *constants)
            )
            chunk_s = (time.perf_counter() - started_s) / (stop - start)
            # The first call is slower than the others, and a slow call may be an accident.
            self._per_call = max(1, min(2 * self._per_call, int(CALL_S / chunk_s)))
            start = stop
        return np.concatenate(results)
