"""Load Keras models from the catalog and from files."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
from keras.src.backend.common import global_state
from keras.src.backend.common.variables import initialize_all_variables

from seewhy.catalog.model_files import RandomWeights
from seewhy.catalog.model_spec import APPLICATIONS, ModelSpec
from seewhy.errors import UnsupportedModel, WeightsNotFound
from seewhy.schemas.channels import channel_count
from seewhy.settings.limits import MODEL_MEMORY_BYTES
from seewhy_worker.models.inspection.allowed_classes import APPLICATION_LAYERS
from seewhy_worker.models.inspection.model_file import read_definition
from seewhy_worker.models.inspection.wording import quote
from seewhy_worker.models.operation_classes import with_classes
from seewhy_worker.models.precision import all_layers
from seewhy_worker.models.random_weights import initialize_weights
from seewhy_worker.models.registered_classes import import_modules, only_registered
from seewhy_worker.models.sizes import check_sizes
from seewhy_worker.models.tracing import with_static_graph

DEFAULT_SIZE_PX = (224, 224)
"""(height, width) for networks that leave their input size open."""


def load_model(
    spec: ModelSpec, *, weights_path: Path | None, memory_bytes: int = MODEL_MEMORY_BYTES
) -> keras.Model:
    """Build the network of a catalog entry with its weights.

    The caller has checked the digest of `weights_path`, which is None only for random weights. A
    model file may take `memory_bytes`.
    Raises `UnsupportedModel` when Keras lacks the definition or refuses it as unsafe, and
    `WeightsNotFound` when the entry needs a file and `weights_path` is None.
    """
    model = _load(spec, weights_path, memory_bytes)
    if spec.precision != "float32":
        for layer in all_layers(model):
            layer.dtype_policy = spec.precision
    return model


def _load(spec: ModelSpec, weights_path: Path | None, memory_bytes: int) -> keras.Model:
    if isinstance(spec.weights, RandomWeights):
        model = _build_application(spec, weights=None)
        initialize_weights(model, seed=spec.weights.random_seed)
        return model
    if weights_path is None:
        raise WeightsNotFound(f"the model {spec.name} needs a weights file")
    if spec.is_application:
        return _build_application(spec, weights=str(weights_path))
    return load_file(
        weights_path,
        memory_bytes=memory_bytes,
        size=(spec.input.height_px, spec.input.width_px),
        modules=spec.modules,
    )


def load_file(
    path: Path,
    *,
    memory_bytes: int = MODEL_MEMORY_BYTES,
    size: tuple[int, int] = DEFAULT_SIZE_PX,
    modules: Sequence[str] = (),
) -> keras.Model:
    """Load a `.keras` or `.h5` file for inference, in the safe mode of Keras.

    The file is inspected before Keras builds anything, and the network is measured before its
    variables exist: `size` is the (height, width) of an image where the network leaves it open.
    `modules` are imported first; the classes that they define and register may occur in the file.
    A subclassed model becomes a functional one. Raises `UnsupportedModel` with the reason.
    """
    registered = import_modules(modules)
    definition = read_definition(path, memory_bytes=memory_bytes, registered=registered)
    try:
        # Variables that are created in this scope have a shape but no memory yet.
        with (
            only_registered(registered),
            keras.saving.custom_object_scope(_application_layers()),
            keras.StatelessScope(initialize_variables=False),
        ):
            loaded = _build(definition, path)
            model = with_static_graph(loaded, _built_shape(definition, size), path.name)
            check_sizes(model, size=size, memory_bytes=memory_bytes, file_name=path.name)
        initialize_all_variables()
        loaded.load_weights(path)
    except UnsupportedModel:
        raise
    except Exception as error:  # a hostile file makes Keras raise almost anything
        raise UnsupportedModel(f"Keras cannot read {path.name}: {_cause(error)}") from error
    finally:
        global_state.set_global_attribute("uninitialized_variables", [])
    _finalize_normalization(model)
    _check_finite(model, path.name)
    return model


def _application_layers() -> dict[str, type]:
    """Return the layers of `keras.applications` that `.h5` files name without their modules."""
    return {
        name: getattr(import_module(module), name)
        for module, names in APPLICATION_LAYERS.items()
        for name in names
    }


def _cause(error: Exception) -> str:
    """Return the innermost message of Keras, which wraps errors in long explanations."""
    return quote(str(error).rpartition("Exception encountered:")[2])


def _build(definition: dict[str, Any], path: Path) -> keras.Model:
    if path.suffix != ".keras":  # an `.h5` file names no module, and Keras would leave safe mode
        name = "Sequential" if definition["class_name"] == "Sequential" else "Model"
        config = with_classes(definition["config"], path.name)
        definition = {"module": "keras", "class_name": name, "config": config}
    return keras.saving.deserialize_keras_object(definition, safe_mode=True)


def _built_shape(definition: dict[str, Any], size: tuple[int, int]) -> tuple[int | None, ...]:
    """Return the shape that a subclassed model was built for, without the batch axis."""
    shape = (definition.get("build_config") or {}).get("input_shape")
    return tuple(shape[1:]) if isinstance(shape, list) else (*size, 3)


def _finalize_normalization(model: keras.Model) -> None:
    # `load_weights` does this for the layers of the outermost model only.
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _finalize_normalization(layer)
        elif isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def _check_finite(model: keras.Model, file_name: str) -> None:
    for weights in model.weights:
        is_float = keras.backend.is_float_dtype(weights.dtype)
        if is_float and not bool(keras.ops.all(keras.ops.isfinite(weights))):
            raise UnsupportedModel(
                f"{file_name} has weights that are not finite, in {quote(weights.path)!r}: the "
                "training diverged, or the file is damaged."
            )


def _build_application(spec: ModelSpec, *, weights: str | None) -> keras.Model:
    name = spec.source.removeprefix(APPLICATIONS)
    build = getattr(keras.applications, name, None)
    if build is None:
        raise UnsupportedModel(
            f"keras.applications has no model {name}: correct `source` in the catalog."
        )
    try:
        return build(
            weights=weights,
            input_shape=(
                spec.input.height_px,
                spec.input.width_px,
                channel_count(spec.channels),
            ),
            classes=len(spec.labels),
            classifier_activation=None,
        )
    except ValueError as error:
        raise UnsupportedModel(f"keras.applications cannot build {spec.name}: {error}") from error
