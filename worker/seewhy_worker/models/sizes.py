"""Compare the memory that a network needs with a limit, before its variables exist."""

import math

import keras

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.inspection.wording import format_bytes
from seewhy_worker.models.splitting.channel_layout import is_channels_first_image
from seewhy_worker.models.splitting.graph import flatten, has_graph
from seewhy_worker.models.splitting.inputs import OtherInput, find_image_input, other_inputs

WEIGHT_COPIES = 4
"""Loading holds the file, the weights and temporary copies: measured on VGG16."""
_FLOAT_BYTES = 4


def weight_bytes(model: keras.Model) -> int:
    """Return what the weights take in float32, which is how they are kept, in bytes."""
    return int(_FLOAT_BYTES * sum(math.prod(variable.shape) for variable in model.variables))


def check_sizes(
    model: keras.Model, *, size: tuple[int, int], memory_bytes: int, file_name: str
) -> None:
    """Require that loading the model and one forward pass on one image fit into `memory_bytes`.

    `size` is the (height, width) of an image where the network leaves it open. Raises
    `UnsupportedModel`, also for a network with an empty tensor.
    """
    weights = weight_bytes(model) // _FLOAT_BYTES
    activations = _count_activations(model, size, file_name)
    needed_bytes = (WEIGHT_COPIES * weights + activations) * _FLOAT_BYTES
    if needed_bytes > memory_bytes:
        raise UnsupportedModel(
            f"{file_name} needs about {format_bytes(needed_bytes)} of memory ({weights:,} weights, "
            f"{activations:,} activations), more than the limit of {format_bytes(memory_bytes)}: "
            "use a smaller network, or raise SEEWHY_MODEL_MEMORY_BYTES."
        )


def _count_activations(model: keras.Model, size: tuple[int, int], file_name: str) -> int:
    """Count the numbers that one image becomes in all layers together."""
    if not has_graph(model):
        return 0  # such a network is refused before it runs
    others = {name: OtherInput(tensor) for name, tensor in other_inputs(model).items()}
    shape = _fixed_shape(find_image_input(model).shape, size)
    try:
        calls = flatten(model, shape, others).calls
    except UnsupportedModel:  # a fixed size inside a network with an open input size
        return math.prod(shape)
    count = math.prod(shape)
    for call in calls:
        for tensor in call.outputs:
            # Only the batch is open.
            numbers = math.prod(1 if length is None else length for length in tensor.shape)
            if numbers == 0:
                raise UnsupportedModel(
                    f"{file_name} has an empty tensor of shape {tuple(tensor.shape)} after "
                    f"{call.path!r}."
                )
            count += numbers
    return count


def _fixed_shape(shape: tuple[int | None, ...], size: tuple[int, int]) -> tuple[int, ...]:
    """Return an input shape without the batch axis, with the open lengths of an image filled."""
    lengths = (3, *size) if is_channels_first_image(shape) else (*size, 3)
    return tuple(
        length if fixed is None else fixed for fixed, length in zip(shape[1:], lengths, strict=True)
    )
