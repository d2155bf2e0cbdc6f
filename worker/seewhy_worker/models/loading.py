"""Load Keras models from the catalog and from files."""

from pathlib import Path
from typing import Any

import keras

from seewhy.catalog.model_spec import APPLICATIONS, ModelSpec, RandomWeights
from seewhy.errors import UnsupportedModel, WeightsNotFound
from seewhy_worker.models.inspection import inspect_file
from seewhy_worker.models.random_weights import initialize_weights


def load_model(spec: ModelSpec, *, weights_path: Path | None) -> keras.Model:
    """Build the network of a catalog entry with its weights.

    The caller has checked the digest of `weights_path`, which is None only for random weights.
    Raises `UnsupportedModel` when Keras lacks the definition or refuses it as unsafe, and
    `WeightsNotFound` when the entry needs a file and `weights_path` is None.
    """
    model = _load(spec, weights_path)
    if spec.precision != "float32":
        # Private, but the public `layers` omits layers inside other layers and nested models.
        for layer in model._flatten_layers():  # noqa: SLF001
            layer.dtype_policy = spec.precision
    return model


def _load(spec: ModelSpec, weights_path: Path | None) -> keras.Model:
    if isinstance(spec.weights, RandomWeights):
        model = _build_application(spec, weights=None)
        initialize_weights(model, seed=spec.weights.random_seed)
        return model
    if weights_path is None:
        raise WeightsNotFound(f"the model {spec.name} needs a weights file")
    if spec.is_application:
        return _build_application(spec, weights=str(weights_path))
    return load_file(weights_path)


def load_file(path: Path) -> keras.Model:
    """Load a `.keras` or `.h5` file for inference.

    Code in the file never runs: the file is inspected before Keras builds anything. Raises
    `UnsupportedModel` with the reason.
    """
    converted = inspect_file(path)
    try:
        if converted is not None:
            return _build_converted(converted, path)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise UnsupportedModel(f"Keras cannot read {path.name}: {error}") from error


def _build_converted(definition: dict[str, Any], weights_path: Path) -> keras.Model:
    model_class = keras.Sequential if definition["class_name"] == "Sequential" else keras.Model
    model = model_class.from_config(definition["config"])
    model.load_weights(weights_path)
    _finalize_normalization(model)
    return model


def _finalize_normalization(model: keras.Model) -> None:
    # `load_weights` does this for the layers of the outermost model only.
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _finalize_normalization(layer)
        elif isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


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
            input_shape=(spec.input.height_px, spec.input.width_px, 3),
            classes=len(spec.labels),
            classifier_activation=None,
        )
    except ValueError as error:
        raise UnsupportedModel(f"keras.applications cannot build {spec.name}: {error}") from error
