"""Replace TensorFlow operations in functional models of Keras 2 by equivalent Keras layers.

Keras 2 stored expressions such as `x / 255.` or `tf.nn.relu(x)` as `TFOpLambda` layers, which hold
the operation's name and arguments. Keras 3 has no such layer.
"""

from collections.abc import Callable
from typing import Any

from seewhy.errors import UnsupportedModel

Definition = dict[str, Any]
LayerSpec = tuple[str, Definition]
"""The class name of a layer and its keywords."""

_CONSTANT = "_CONSTANT_VALUE"
_ACTIVATIONS = {
    "cast": "linear",
    "identity": "linear",
    "math.sigmoid": "sigmoid",
    "math.softplus": "softplus",
    "math.tanh": "tanh",
    "nn.elu": "elu",
    "nn.log_softmax": "log_softmax",
    "nn.relu": "relu",
    "nn.relu6": "relu6",
    "nn.selu": "selu",
    "nn.silu": "silu",
    "nn.softmax": "softmax",
}
_MERGE_LAYERS = {
    "__operators__.add": "Add",
    "math.add": "Add",
    "math.maximum": "Maximum",
    "math.minimum": "Minimum",
    "math.multiply": "Multiply",
    "math.subtract": "Subtract",
}


def is_operation(layer: Definition) -> bool:
    """Return whether a layer of a `model_config` is a TensorFlow operation."""
    return layer["class_name"] in {"TFOpLambda", "SlicingOpLambda", "ClassMethod"}


def convert_operation(layer: Definition) -> Definition:
    """Return the definition of an equivalent Keras layer with the same name.

    Raises `UnsupportedModel` for an operation without a known equivalent.
    """
    config = layer["config"]
    name, function = layer["name"], str(config.get("function"))
    (node,) = layer["inbound_nodes"]
    references = node if isinstance(node[0], list) else [node]
    arguments = {
        key: value for key, value in references[0][3].items() if key != "name" and value is not None
    }
    inputs = [reference[:3] for reference in references]
    if _is_reference(arguments.get("y")):
        inputs.append(arguments.pop("y"))
    constants = [value for name_, _, value in inputs if name_ == _CONSTANT]
    inputs = [reference for reference in inputs if reference[0] != _CONSTANT]
    layer_spec = _equivalent_layer(function, len(inputs), constants, arguments)
    if layer_spec is None:
        raise UnsupportedModel(
            f"{name!r} is the TensorFlow operation {function} in a model from Keras 2, and Keras 3 "
            "does not read it: replace it by a Keras layer, load the weights, and save the model "
            "again."
        )
    class_name, keywords = layer_spec
    return {
        "class_name": class_name,
        "name": name,
        "config": {"name": name, "dtype": config.get("dtype", "float32"), **keywords},
        "inbound_nodes": [[[*reference, {}] for reference in inputs]],
    }


def _equivalent_layer(
    function: str, input_count: int, constants: list[Any], arguments: Definition
) -> LayerSpec | None:
    if constants:
        is_supported = input_count == 1 and not arguments
        return _constant_first(function, constants[0]) if is_supported else None
    if function == "concat":
        return ("Concatenate", arguments) if set(arguments) == {"axis"} else None
    if input_count == 2:
        is_supported = function in _MERGE_LAYERS and not arguments
        return (_MERGE_LAYERS[function], {}) if is_supported else None
    return _single_tensor(function, arguments) if input_count == 1 else None


def _single_tensor(function: str, arguments: Definition) -> LayerSpec | None:
    if set(arguments) in ({"y"}, {"bias", "data_format"}):
        return _constant_second(function, arguments)
    if function in _ACTIVATIONS and _has_default_arguments(function, arguments):
        return "Activation", {"activation": _ACTIVATIONS[function]}
    build = _CONVERTERS.get(function)
    return build(arguments) if build else None


def _has_default_arguments(function: str, arguments: Definition) -> bool:
    if function == "cast":
        return arguments == {"dtype": "float32"}
    return arguments in ({}, {"axis": -1})


def _constant_second(function: str, arguments: Definition) -> LayerSpec | None:
    """Convert an operation on a tensor and a constant: one number, or one per channel."""
    value = arguments.get("y", arguments.get("bias"))
    if arguments.get("data_format", "NHWC") != "NHWC" or not _is_numeric(value):
        return None
    if function in {"__operators__.add", "math.add", "nn.bias_add"}:
        return _rescaling(1.0, value)
    if function == "math.subtract":
        return _rescaling(1.0, _map_numbers(value, lambda number: -number))
    if function == "math.multiply":
        return _rescaling(value, 0.0)
    if function in {"math.truediv", "math.divide"}:
        return _rescaling(_map_numbers(value, lambda number: 1.0 / number), 0.0)
    return None


def _constant_first(function: str, value: Any) -> LayerSpec | None:
    """Convert an operation on a constant and a tensor, in this order."""
    if not _is_numeric(value):
        return None
    if function == "math.subtract":
        return _rescaling(-1.0, value)
    return _constant_second(function, {"y": value}) if function in _COMMUTATIVE else None


_COMMUTATIVE = {"__operators__.add", "math.add", "math.multiply"}


def _pooling(class_name: str, arguments: Definition) -> LayerSpec | None:
    if arguments.get("axis") != [1, 2] or not set(arguments) <= {"axis", "keepdims"}:
        return None
    keepdims = bool(arguments.get("keepdims", False))
    return class_name, {"keepdims": keepdims, "data_format": "channels_last"}


def _resizing(arguments: Definition) -> LayerSpec | None:
    size, method = arguments.get("size"), arguments.get("method", "bilinear")
    rest = [value for key, value in arguments.items() if key not in {"size", "method"}]
    is_supported = method in {"bilinear", "nearest"} and all(value is False for value in rest)
    if not isinstance(size, list) or len(size) != 2 or not _are_integers(size) or not is_supported:
        return None
    keywords = {"height": size[0], "width": size[1], "interpolation": method}
    return "Resizing", {**keywords, "data_format": "channels_last"}


def _reshape(arguments: Definition) -> LayerSpec | None:
    shape = arguments.get("shape")
    if not isinstance(shape, list) or not _are_integers(shape) or shape[:1] != [-1]:
        return None
    return ("Reshape", {"target_shape": shape[1:]}) if len(arguments) == 1 else None


_CONVERTERS: dict[str, Callable[[Definition], LayerSpec | None]] = {
    "image.resize": _resizing,
    "math.reduce_max": lambda arguments: _pooling("GlobalMaxPooling2D", arguments),
    "math.reduce_mean": lambda arguments: _pooling("GlobalAveragePooling2D", arguments),
    "math.negative": lambda arguments: None if arguments else _rescaling(-1.0, 0.0),
    "reshape": _reshape,
}


def _rescaling(scale: Any, offset: Any) -> LayerSpec:
    return "Rescaling", {"scale": _map_numbers(scale, float), "offset": _map_numbers(offset, float)}


def _map_numbers(value: Any, convert: Callable[[float], float]) -> Any:
    return [convert(number) for number in value] if isinstance(value, list) else convert(value)


def _is_numeric(value: Any) -> bool:
    numbers = value if isinstance(value, list) else [value]
    return bool(numbers) and all(isinstance(number, int | float) for number in numbers)


def _are_integers(numbers: list[Any]) -> bool:
    return all(isinstance(number, int) for number in numbers)


def _is_reference(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and isinstance(value[0], str)
