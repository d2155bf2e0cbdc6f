"""TensorFlow's operations in a functional model of Keras 2, as the layers that compute the same.

Keras 2 wrapped what was written as `x / 255.` or `tf.nn.relu(x)` into layers `TFOpLambda`, which
name the operation and hold its arguments. Keras 3 has no such layer.
"""

from collections.abc import Callable
from typing import Any

from seewhy.errors import UnsupportedModel

Part = dict[str, Any]
Made = tuple[str, Part]
"""The class of a layer and its keywords."""

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
_OF_TENSORS = {
    "__operators__.add": "Add",
    "math.add": "Add",
    "math.maximum": "Maximum",
    "math.minimum": "Minimum",
    "math.multiply": "Multiply",
    "math.subtract": "Subtract",
}


def is_operation(layer: Part) -> bool:
    """Whether a layer of a `model_config` is an operation of TensorFlow's."""
    return layer["class_name"] in {"TFOpLambda", "SlicingOpLambda", "ClassMethod"}


def as_layer(layer: Part) -> Part:
    """Return the layer of Keras' own that computes the same, under the same name.

    Raises `UnsupportedModel` where there is none that is known to.
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
    made = _made(function, len(inputs), constants, arguments)
    if made is None:
        raise UnsupportedModel(
            f"{name!r} is an operation of TensorFlow's, {function}, that stands between the layers "
            "of a model from Keras 2 and that Keras 3 does not read: rebuild the model with one of "
            "Keras' own layers in its place, load the weights, and save it again."
        )
    kind, keywords = made
    return {
        "class_name": kind,
        "name": name,
        "config": {"name": name, "dtype": config.get("dtype", "float32"), **keywords},
        "inbound_nodes": [[[*reference, {}] for reference in inputs]],
    }


def _made(function: str, inputs: int, constants: list[Any], arguments: Part) -> Made | None:
    if constants:
        alone = inputs == 1 and not arguments
        return _of_constant(function, constants[0]) if alone else None
    if function == "concat":
        return ("Concatenate", arguments) if set(arguments) == {"axis"} else None
    if inputs == 2:
        known = function in _OF_TENSORS and not arguments
        return (_OF_TENSORS[function], {}) if known else None
    return _of_one_tensor(function, arguments) if inputs == 1 else None


def _of_one_tensor(function: str, arguments: Part) -> Made | None:
    if set(arguments) in ({"y"}, {"bias", "data_format"}):
        return _by_constant(function, arguments)
    if function in _ACTIVATIONS and _is_plain(function, arguments):
        return "Activation", {"activation": _ACTIVATIONS[function]}
    build = _OTHERS.get(function)
    return build(arguments) if build else None


def _is_plain(function: str, arguments: Part) -> bool:
    if function == "cast":
        return arguments == {"dtype": "float32"}
    return arguments in ({}, {"axis": -1})


def _by_constant(function: str, arguments: Part) -> Made | None:
    """An operation on a tensor and a number, or one number for each channel."""
    value = arguments.get("y", arguments.get("bias"))
    if arguments.get("data_format", "NHWC") != "NHWC" or not _is_numeric(value):
        return None
    if function in {"__operators__.add", "math.add", "nn.bias_add"}:
        return _rescaling(1.0, value)
    if function == "math.subtract":
        return _rescaling(1.0, _each(value, lambda number: -number))
    if function == "math.multiply":
        return _rescaling(value, 0.0)
    if function in {"math.truediv", "math.divide"}:
        return _rescaling(_each(value, lambda number: 1.0 / number), 0.0)
    return None


def _of_constant(function: str, value: Any) -> Made | None:
    """An operation on a number and a tensor, in this order."""
    if not _is_numeric(value):
        return None
    if function == "math.subtract":
        return _rescaling(-1.0, value)
    return _by_constant(function, {"y": value}) if function in _COMMUTES else None


_COMMUTES = {"__operators__.add", "math.add", "math.multiply"}


def _pooled(kind: str, arguments: Part) -> Made | None:
    if arguments.get("axis") != [1, 2] or not set(arguments) <= {"axis", "keepdims"}:
        return None
    keepdims = bool(arguments.get("keepdims", False))
    return kind, {"keepdims": keepdims, "data_format": "channels_last"}


def _resized(arguments: Part) -> Made | None:
    size, method = arguments.get("size"), arguments.get("method", "bilinear")
    rest = [value for key, value in arguments.items() if key not in {"size", "method"}]
    known = method in {"bilinear", "nearest"} and all(value is False for value in rest)
    if not isinstance(size, list) or len(size) != 2 or not _are_whole(size) or not known:
        return None
    keywords = {"height": size[0], "width": size[1], "interpolation": method}
    return "Resizing", {**keywords, "data_format": "channels_last"}


def _reshaped(arguments: Part) -> Made | None:
    shape = arguments.get("shape")
    if not isinstance(shape, list) or not _are_whole(shape) or shape[:1] != [-1]:
        return None
    return ("Reshape", {"target_shape": shape[1:]}) if len(arguments) == 1 else None


_OTHERS: dict[str, Callable[[Part], Made | None]] = {
    "image.resize": _resized,
    "math.reduce_max": lambda arguments: _pooled("GlobalMaxPooling2D", arguments),
    "math.reduce_mean": lambda arguments: _pooled("GlobalAveragePooling2D", arguments),
    "math.negative": lambda arguments: None if arguments else _rescaling(-1.0, 0.0),
    "reshape": _reshaped,
}


def _rescaling(scale: Any, offset: Any) -> Made:
    return "Rescaling", {"scale": _each(scale, float), "offset": _each(offset, float)}


def _each(value: Any, change: Callable[[float], float]) -> Any:
    return [change(number) for number in value] if isinstance(value, list) else change(value)


def _is_numeric(value: Any) -> bool:
    numbers = value if isinstance(value, list) else [value]
    return bool(numbers) and all(isinstance(number, int | float) for number in numbers)


def _are_whole(numbers: list[Any]) -> bool:
    return all(isinstance(number, int) for number in numbers)


def _is_reference(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and isinstance(value[0], str)
