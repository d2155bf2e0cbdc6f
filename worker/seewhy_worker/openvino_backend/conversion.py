"""Convert functions of TensorFlow to OpenVINO."""

from collections.abc import Callable, Sequence
from typing import Any

import openvino
import tensorflow as tf
from openvino import opset8
from openvino.frontend import FrontEndManager, OpConversionFailure
from openvino.frontend.tensorflow.graph_iterator import GraphIteratorTFGraph

from seewhy_worker.models.splitting.inputs import CHANGING_VARIABLE
from seewhy_worker.openvino_backend.failures import ConversionFailed, reason


def to_openvino(function: Callable[..., Sequence[Any]], *specs: tf.TensorSpec) -> openvino.Model:
    """Trace a function that returns a sequence of tensors, and convert it to OpenVINO.

    The model has one input for each of `specs`, whose dimensions may be None, and one output for
    each tensor, both in the same order; an input that the function ignores is kept. Constants
    share the memory of the function's variables. Raises `ConversionFailed` when the function cannot
    be traced for open dimensions or has operations that OpenVINO lacks.
    """
    traced = tf.function(lambda *tensors: list(function(*tensors)), autograph=False)
    try:
        concrete = traced.get_concrete_function(*specs)
    except (TypeError, ValueError, tf.errors.OpError) as error:
        # Some networks refuse an open batch size.
        raise ConversionFailed(f"TensorFlow cannot trace it: {reason(error)}") from error
    if any(variable.name.startswith(CHANGING_VARIABLE) for variable in concrete.graph.variables):
        raise ConversionFailed("the model has inputs beside the image, which would become constant")
    front_end = FrontEndManager().load_by_framework("tf")
    graph = _NeededOperations(concrete)
    try:
        converted = front_end.convert(front_end.load(graph))
    except (OpConversionFailure, RuntimeError) as error:
        raise ConversionFailed(reason(error)) from error
    return _in_order(converted, concrete.inputs[: len(specs)], concrete.structured_outputs)


class _NeededOperations(GraphIteratorTFGraph):  # type: ignore[misc]
    """The operations that inputs and outputs need; the front end converts all that it is given.

    Gradients leave others behind, some of which OpenVINO lacks.
    """

    m_decoders: list[Any]

    def __init__(self, concrete: Any) -> None:
        super().__init__(concrete.graph, share_weights=True)
        needed: set[str] = set()
        waiting = [tensor.op for tensor in (*concrete.inputs, *concrete.outputs)]
        while waiting:
            operation = waiting.pop()
            if operation.name not in needed:
                needed.add(operation.name)
                waiting += [tensor.op for tensor in operation.inputs]
                waiting += operation.control_inputs
        self.m_decoders = [one for one in self.m_decoders if one.get_op_name() in needed]


def _in_order(
    converted: openvino.Model, inputs: Sequence[Any], outputs: Sequence[Any]
) -> openvino.Model:
    """Return the model with these inputs and outputs of TensorFlow; the front end drops some."""
    input_ports = {name: port for port in converted.inputs for name in port.get_names()}
    output_ports = {name: port for port in converted.outputs for name in port.get_names()}
    parameters = {
        tensor.name: input_ports[tensor.name].get_node()
        if tensor.name in input_ports
        else opset8.parameter(
            [-1 if size is None else size for size in tensor.shape], tensor.dtype.as_numpy_dtype
        )
        for tensor in inputs
    }
    results = []
    for tensor in outputs:
        source = _source(tensor)
        if source.name in parameters:
            results.append(opset8.result(parameters[source.name]))
        elif source.op.type == "Const":
            value = tf.make_ndarray(source.op.get_attr("value"))
            results.append(opset8.result(opset8.constant(value)))
        elif tensor.name in output_ports:
            # Equal outputs share a node, and a model with a node twice crashes the process.
            source_output = output_ports[tensor.name].get_node().input_value(0)
            results.append(opset8.result(source_output))
        else:
            raise ConversionFailed(f"the output {tensor.name} is missing after the conversion")
    return openvino.Model(results, list(parameters.values()))


def _source(tensor: Any) -> Any:
    """Return the tensor that this one is equal to."""
    while tensor.op.type == "Identity":
        tensor = tensor.op.inputs[0]
    return tensor
