"""Convert the `model_config` of an `.h5` file from Keras 2 to Keras 3.

Keras 3 reads `.h5` files but no longer understands everything that Keras 2 wrote into them. Each
rule in this module covers one difference. `tests/golden/keras2/` holds files of Keras 2 with
their predictions.
"""

from collections.abc import Callable
from typing import Any

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.keras2.operations import convert_operation, is_operation

Definition = dict[str, Any]
TensorReference = list[Any]
"""[layer name, call index, tensor index, …]"""

_FUNCTIONAL = {"Functional", "Model"}
_NESTED_MODELS = {*_FUNCTIONAL, "Sequential"}
_WITH_UNUSED_GROUPS = {
    "Conv1DTranspose",
    "Conv2DTranspose",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "SeparableConv1D",
    "SeparableConv2D",
}
_RENAMED_CLASSES = {"ThresholdedReLU": "ReLU"}
_RENAMED_KEYWORDS = {
    "LeakyReLU": {"alpha": "negative_slope"},
    "ThresholdedReLU": {"theta": "threshold"},
}


def is_keras2_version(version: str | None) -> bool:
    """Return whether a `keras_version` predates Keras 3; the earliest files state none."""
    return version is None or version.startswith(("1.", "2."))


def convert_config(value: Any) -> Any:
    """Return a copy of a `model_config` that Keras 3 reads and that computes the same.

    Layers keep their names, except that `_` replaces `/`, which Keras 3 reserves for paths.
    TensorFlow operations become layers. Raises `UnsupportedModel` for layers that Keras 3 would
    compute differently.
    """
    if isinstance(value, list):
        return [convert_config(item) for item in value]
    if not isinstance(value, dict):
        return value
    converted = {key: convert_config(item) for key, item in value.items()}
    if isinstance(converted.get("config"), dict) and "class_name" in converted:
        return _convert_definition(converted)
    return converted


def _convert_definition(definition: Definition) -> Any:
    class_name, config = definition["class_name"], definition["config"]
    if class_name in {"Policy", "PolicyV1"}:  # Keras 3 names a mixed precision policy
        return config["name"]
    if "hard_sigmoid" in (config.get("activation"), config.get("recurrent_activation")):
        raise UnsupportedModel(
            f"{config.get('name', class_name)!r} uses the activation hard_sigmoid, which Keras 3 "
            "computes differently from the Keras 2 that wrote the file: rebuild the model without "
            "it and save it again."
        )
    if class_name == "RandomCrop":
        raise UnsupportedModel(
            f"{config.get('name', class_name)!r} is a RandomCrop layer, which Keras 3 resizes "
            "differently in inference from the Keras 2 that wrote the file: rebuild the model "
            "without it and save it again."
        )
    for holder in (definition, config):
        if isinstance(holder.get("name"), str):
            holder["name"] = _convert_name(holder["name"])
    if class_name in _FUNCTIONAL and "output_layers" in config:
        _convert_connections(config)
    return {
        **definition,
        "class_name": _RENAMED_CLASSES.get(class_name, class_name),
        "config": _convert_keywords(class_name, config),
    }


def _convert_keywords(class_name: str, config: Definition) -> Definition:
    removed = {key for key, value in config.items() if _is_tensorflow_initializer(value)}
    if class_name.startswith("Random"):
        removed |= {"rng_type"}
    if class_name in _WITH_UNUSED_GROUPS and config.get("groups") == 1:
        removed |= {"groups"}
    if class_name.startswith("Separable"):  # has only a depthwise and a pointwise kernel
        removed |= {"kernel_initializer", "kernel_regularizer", "kernel_constraint"}
    if class_name.startswith("SpatialDropout") and config.get("noise_shape") is None:
        removed |= {"noise_shape", "trainable"}
    if class_name == "BatchNormalization" and isinstance(config.get("axis"), list):
        (config["axis"],) = config["axis"]
    renamed = _RENAMED_KEYWORDS.get(class_name, {})
    return {renamed.get(key, key): value for key, value in config.items() if key not in removed}


def _is_tensorflow_initializer(value: Any) -> bool:
    # Initializers do not matter: the weights come from the file.
    return isinstance(value, dict) and value.get("module") == "tensorflow.python.ops.init_ops_v2"


def _convert_connections(config: Definition) -> None:
    """Convert the connections of a functional model in place."""
    layers = [
        convert_operation(layer) if is_operation(layer) else layer for layer in config["layers"]
    ]
    connections = [layer["inbound_nodes"] for layer in layers]
    first_calls = _first_call_indices([connections, config["output_layers"]])
    class_names = {layer["name"]: layer["class_name"] for layer in layers}

    def convert_reference(reference: TensorReference) -> TensorReference:
        name, call_index, *rest = reference
        name = _convert_name(name)
        if class_names.get(name) in _NESTED_MODELS:
            call_index -= first_calls[name]
        return [name, call_index, *rest]

    def convert_output_reference(reference: TensorReference) -> TensorReference:
        name, call_index, *rest = convert_reference(reference)
        # Keras 3 subtracts one here, and only here, for functional models.
        if class_names.get(name) in _FUNCTIONAL:
            call_index += 1
        return [name, call_index, *rest]

    for layer in layers:
        layer["inbound_nodes"] = _map_references(layer["inbound_nodes"], convert_reference)
    config["layers"] = layers
    inputs = _map_references(config["input_layers"], convert_reference)
    outputs = _map_references(config["output_layers"], convert_output_reference)
    config["input_layers"] = _unwrap_single(inputs)
    config["output_layers"] = _unwrap_single(outputs)


def _first_call_indices(connections: list[Any]) -> dict[str, int]:
    """Return the index of each layer's first call.

    Keras 2 counts the construction of a nested model as its first call, unless the model was
    constructed without an input, and omits calls whose output is unused.
    """
    first_calls: dict[str, int] = {}

    def visit(reference: TensorReference) -> TensorReference:
        name = _convert_name(reference[0])
        first_calls[name] = min(reference[1], first_calls.get(name, reference[1]))
        return reference

    _map_references(connections, visit)
    return first_calls


def _unwrap_single(references: Any) -> Any:
    # Keras 3 would return a list of one tensor, which a Sequential model passes to its next layer.
    is_single = isinstance(references, list) and len(references) == 1
    return references[0] if is_single else references


def _map_references(value: Any, convert: Callable[[TensorReference], TensorReference]) -> Any:
    """Apply `convert` to every tensor reference in nested lists and dicts."""
    if isinstance(value, dict):
        return {key: _map_references(item, convert) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    if len(value) >= 3 and isinstance(value[0], str) and isinstance(value[1], int):
        return convert(value)
    return [_map_references(item, convert) for item in value]


def _convert_name(name: str) -> str:
    return name.replace("/", "_")
