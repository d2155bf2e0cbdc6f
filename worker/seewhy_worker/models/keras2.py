"""What Keras 2 wrote into `.h5` files, in the words of Keras 3.

Keras 3 reads the same files, but no longer all that its predecessor put into them. Each rule here
is one difference; `tests/golden/keras2/` holds files of Keras 2 with their predictions.
"""

from collections.abc import Callable
from typing import Any

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.keras2_operations import as_layer, is_operation

Part = dict[str, Any]
Reference = list[Any]
"""[name of a layer, number of its call, number of the tensor, …]"""

_FUNCTIONAL = {"Functional", "Model"}
_NESTED = {*_FUNCTIONAL, "Sequential"}
_WITH_USELESS_GROUPS = {
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


def is_by_keras_2(version: str | None) -> bool:
    """Whether a file of this `keras_version` is older than Keras 3; early ones name none."""
    return version is None or version.startswith(("1.", "2."))


def modernised(value: Any) -> Any:
    """Return a copy of a `model_config` that Keras 3 reads and that computes the same.

    Layers keep their names, with `_` for `/`, which Keras 3 keeps for paths. TensorFlow operations
    become layers. Raises `UnsupportedModel` for what Keras 3 would compute differently.
    """
    if isinstance(value, list):
        return [modernised(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {key: modernised(item) for key, item in value.items()}
    if isinstance(made.get("config"), dict) and "class_name" in made:
        return _part(made)
    return made


def _part(part: Part) -> Any:
    kind, config = part["class_name"], part["config"]
    if kind in {"Policy", "PolicyV1"}:  # of mixed precision: Keras 3 takes its name
        return config["name"]
    if "hard_sigmoid" in (config.get("activation"), config.get("recurrent_activation")):
        raise UnsupportedModel(
            f"{config.get('name', kind)!r} has the activation hard_sigmoid, which is another "
            "function in Keras 3 than in the Keras 2 that wrote the file: rebuild the model "
            "without it and save it again."
        )
    if kind == "RandomCrop":
        raise UnsupportedModel(
            f"{config.get('name', kind)!r} is a RandomCrop, which Keras 3 replaces by another "
            "resizing when it explains than the Keras 2 that wrote the file: rebuild the model "
            "without it and save it again."
        )
    for holder in (part, config):
        if isinstance(holder.get("name"), str):
            holder["name"] = _name(holder["name"])
    if kind in _FUNCTIONAL and "output_layers" in config:
        _rewire(config)
    return {
        **part,
        "class_name": _RENAMED_CLASSES.get(kind, kind),
        "config": _keywords(kind, config),
    }


def _keywords(kind: str, config: Part) -> Part:
    gone = {key for key, value in config.items() if _is_initializer_of_tensorflow(value)}
    if kind.startswith("Random"):
        gone |= {"rng_type"}
    if kind in _WITH_USELESS_GROUPS and config.get("groups") == 1:
        gone |= {"groups"}
    if kind.startswith("Separable"):  # it has a depthwise and a pointwise kernel, and no other
        gone |= {"kernel_initializer", "kernel_regularizer", "kernel_constraint"}
    if kind.startswith("SpatialDropout") and config.get("noise_shape") is None:
        gone |= {"noise_shape", "trainable"}
    if kind == "BatchNormalization" and isinstance(config.get("axis"), list):
        (config["axis"],) = config["axis"]
    new = _RENAMED_KEYWORDS.get(kind, {})
    return {new.get(key, key): value for key, value in config.items() if key not in gone}


def _is_initializer_of_tensorflow(value: Any) -> bool:
    # How weights began does not matter: they are read from the file.
    return isinstance(value, dict) and value.get("module") == "tensorflow.python.ops.init_ops_v2"


def _rewire(config: Part) -> None:
    """Rewrite the graph of a functional model, in place."""
    layers = [as_layer(layer) if is_operation(layer) else layer for layer in config["layers"]]
    calls = [layer["inbound_nodes"] for layer in layers]
    first = _first_calls([calls, config["output_layers"]])
    nested = {layer["name"]: layer["class_name"] for layer in layers}

    def call(reference: Reference) -> Reference:
        name, number, *rest = reference
        name = _name(name)
        return [name, number - first[name] if nested.get(name) in _NESTED else number, *rest]

    def output(reference: Reference) -> Reference:
        name, number, *rest = call(reference)
        # Keras 3 takes one off here, and here alone, for functional models.
        return [name, number + 1 if nested.get(name) in _FUNCTIONAL else number, *rest]

    for layer in layers:
        layer["inbound_nodes"] = _mapped(layer["inbound_nodes"], call)
    config["layers"] = layers
    config["input_layers"] = _alone(_mapped(config["input_layers"], call))
    config["output_layers"] = _alone(_mapped(config["output_layers"], output))


def _first_calls(calls: list[Any]) -> dict[str, int]:
    """Return the number of each layer's first call.

    Keras 2 counts the making of a nested model as its first call, unless it was made without an
    input, and saves no call whose output leads nowhere.
    """
    first: dict[str, int] = {}

    def see(reference: Reference) -> Reference:
        name = _name(reference[0])
        first[name] = min(reference[1], first.get(name, reference[1]))
        return reference

    _mapped(calls, see)
    return first


def _alone(ends: Any) -> Any:
    # A list of one stays a list in Keras 3: a Sequential model would hand it to its next layer.
    return ends[0] if isinstance(ends, list) and len(ends) == 1 else ends


def _mapped(value: Any, change: Callable[[Reference], Reference]) -> Any:
    """Change every reference in a structure of lists and dicts."""
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    if len(value) >= 3 and isinstance(value[0], str) and isinstance(value[1], int):
        return change(value)
    return [_mapped(item, change) for item in value]


def _name(name: str) -> str:
    return name.replace("/", "_")
