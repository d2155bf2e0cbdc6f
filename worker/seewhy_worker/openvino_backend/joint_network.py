"""A body and heads as one OpenVINO model, which stores their weights once. Imports no TensorFlow.

The inputs are the pixels, the tensors of the cut, and the targets of a head; the outputs are the
tensors of the cut and those of each head. A part runs by itself.
"""

from collections.abc import Sequence
from pathlib import Path

import openvino
from openvino import opset8

from seewhy_worker.openvino_backend.compiled_model import CompiledModel, serves_all_batches
from seewhy_worker.openvino_backend.failures import ConversionFailed, reason
from seewhy_worker.ports.precision import Precision


class JointNetwork:
    """Compiles parts of a joint model."""

    def __init__(
        self, model: openvino.Model, *, cut_tensors: int, precision: Precision, threads: int = 0
    ) -> None:
        """Compute the body in `precision` and heads in float32."""
        self._inputs = sorted(model.get_parameters(), key=_number)
        self._outputs = sorted(model.get_results(), key=_number)
        self._cut_tensors = cut_tensors
        self._precision = precision
        self._threads = threads
        self._body_of_all_batches: CompiledModel | None = None

    def body(self, batch: int) -> CompiledModel:
        """Compile the pass from pixels (batch, H, W, 3) to the tensors of the cut."""
        if self._body_of_all_batches is not None:
            return self._body_of_all_batches
        part = self._part(self._inputs[:1], range(self._cut_tensors))
        serves_all = serves_all_batches(part)
        if not serves_all:
            part.reshape([batch, *list(part.inputs[0].partial_shape)[1:]])
        compiled = CompiledModel(part, precision=self._precision, threads=self._threads)
        if serves_all:
            self._body_of_all_batches = compiled
        return compiled

    def head(self, outputs: Sequence[int]) -> CompiledModel:
        """Compile the head with these outputs, for any number of rows."""
        return CompiledModel(self._part(self._inputs[1:], outputs), threads=self._threads)

    def _part(self, inputs: Sequence[openvino.Node], outputs: Sequence[int]) -> openvino.Model:
        results = [opset8.result(self._outputs[index].input_value(0)) for index in outputs]
        return openvino.Model(results, list(inputs)).clone()


def number_ports(model: openvino.Model) -> None:
    """Name inputs and outputs by their order, which a file does not keep."""
    for nodes in (model.get_parameters(), model.get_results()):
        for index, node in enumerate(nodes):
            node.set_friendly_name(f"port {index}")


def read_model(path: Path) -> openvino.Model:
    """Read a model, and map its weights into memory. Raises `ConversionFailed`."""
    try:
        return openvino.Core().read_model(path)
    except RuntimeError as error:
        raise ConversionFailed(reason(error)) from error


def write_model(model: openvino.Model, network: Path, weights: Path) -> None:
    """Write a model as two files, with its weights as they are."""
    openvino.serialize(model, network, weights)


def _number(node: openvino.Node) -> int:
    return int(node.get_friendly_name().rpartition(" ")[2])
