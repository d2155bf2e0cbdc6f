"""OpenVINO as the engine of bodies, on processors."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import openvino
import tensorflow as tf
from cachetools import LRUCache
from numpy.typing import NDArray

from seewhy_worker.keras_backend.bodies import CutSpec
from seewhy_worker.models.splitting.split_model import SplitModel, shared_body
from seewhy_worker.openvino_backend.compiled_model import (
    CompiledModel,
    CompilerSettings,
    engine_name,
    serves_all_batches,
)
from seewhy_worker.openvino_backend.conversion import to_openvino
from seewhy_worker.openvino_backend.failures import ConversionFailed, reason
from seewhy_worker.ports.cuts import CutTensors
from seewhy_worker.ports.precision import Precision

MAX_NETWORKS = 8
"""Bodies to different cuts whose converted networks are kept for further batch sizes."""

CutNames = tuple[str, ...]


class OpenVinoEngine:
    """Implements `seewhy_worker.explain.engines.Engine`."""

    def __init__(
        self,
        *,
        precision: Precision = "float32",
        threads: int = 0,
        networks: "Networks | None" = None,
    ) -> None:
        """Compute with `threads` threads, 0 for one per core.

        Engines of several precisions may share converted `networks` of one model.
        """
        self.name = f"{engine_name()} {precision}"
        self.openvino_precision = precision
        self.rounds = precision == "bfloat16"
        self.is_default = False
        self._settings: CompilerSettings = {"precision": precision, "threads": threads}
        self._networks = Networks() if networks is None else networks
        self._for_all_batches: LRUCache[CutNames, CompiledModel] = LRUCache(MAX_NETWORKS)

    def body(self, *models: SplitModel, batch: int) -> "OpenVinoBody":
        """Compile the body of splits of one network.

        Raises `ConversionFailed`, and `OutOfMemory`.
        """
        names = tuple(model.cut_name for model in models)
        network = self._networks.convert(models)
        model = network.clone()
        try:
            model.reshape([batch, *models[0].input_shape])
            specs = iter([_spec(output) for output in model.outputs])
        except RuntimeError as error:
            raise ConversionFailed(reason(error)) from error
        if any(output.get_shape()[0] != batch for output in model.outputs):
            raise ConversionFailed("its activations do not follow the batch size")
        cuts = {one.cut_name: tuple(islice(specs, len(one.first_cut.tensors))) for one in models}
        if not serves_all_batches(network):
            return OpenVinoBody(CompiledModel(model, **self._settings), cuts)
        compiled = self._for_all_batches.get(names)
        if compiled is None:
            compiled = CompiledModel(network, **self._settings)
            self._for_all_batches[names] = compiled
        return OpenVinoBody(compiled, cuts)


class OpenVinoBody:
    """The pass from pixels to the first cuts of splits of one network, for one batch size."""

    def __init__(self, compiled: CompiledModel, cuts: Mapping[str, CutSpec]) -> None:
        """Run `compiled`, whose outputs are the tensors of all `cuts` in order."""
        self._compiled = compiled
        self.cuts = dict(cuts)
        """The shapes and types of the tensors of each cut, by its name."""

    def __call__(self, pixels: NDArray[np.float32]) -> dict[str, CutTensors]:
        """Return the tensors of each cut, by its name. Raises `OutOfMemory`."""
        tensors = map(tf.convert_to_tensor, self._compiled(pixels))
        return {name: tuple(islice(tensors, len(cut))) for name, cut in self.cuts.items()}


class Networks:
    """Converts bodies with an open batch size, and keeps the latest."""

    def __init__(self) -> None:
        self._kept: LRUCache[CutNames, openvino.Model] = LRUCache(MAX_NETWORKS)

    def convert(self, models: Sequence[SplitModel]) -> openvino.Model:
        """Return the body to the first cuts of splits. Raises `ConversionFailed`."""
        names = tuple(model.cut_name for model in models)
        if names not in self._kept:
            pixels = tf.TensorSpec((None, *models[0].input_shape), tf.float32)
            self._kept[names] = to_openvino(
                lambda pixels: tf.nest.flatten(shared_body(models)(pixels)), pixels
            )
        return self._kept[names]


def _spec(output: Any) -> tf.TensorSpec:
    return tf.TensorSpec(tuple(output.get_shape()), output.get_element_type().to_dtype())
