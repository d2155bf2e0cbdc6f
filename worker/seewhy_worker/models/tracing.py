"""Make a functional model of a subclassed one."""

import inspect

import keras

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.inspection.wording import quote


def with_static_graph(
    model: keras.Model, input_shape: tuple[int | None, ...], file_name: str
) -> keras.Model:
    """Return a functional model of the calls that a subclassed model makes of its layers.

    `input_shape` excludes the batch axis. The new model shares the layers. A model whose `call` is
    that of Keras is returned itself. Raises `UnsupportedModel` when the calls depend on values, or
    are calls of other libraries.
    """
    if not isinstance(model, keras.Model):
        raise UnsupportedModel(
            f"{file_name} defines one {type(model).__name__}, which is a layer and no model: put "
            "it into a model and save that."
        )
    if type(model).call.__module__.split(".")[0] == "keras":
        return model
    image = keras.Input(input_shape, name="image")
    options = {"training": False} if "training" in inspect.signature(model.call).parameters else {}
    try:
        # Calling `model` itself would record one call of an opaque operation.
        outputs = model.call(image, **options)
        return keras.Model(image, outputs, name=model.name)
    except Exception as error:
        raise UnsupportedModel(
            f"the class {type(model).__name__} in {file_name} has a `call` without a static graph "
            f"({quote(error)}): use only Keras layers and `keras.ops` in it, without branches on "
            "the values of tensors, or build a functional model."
        ) from error
