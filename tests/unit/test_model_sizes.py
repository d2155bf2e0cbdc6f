"""The memory that a network needs, before its variables exist."""

from collections.abc import Callable, Iterator

import keras
import pytest
from keras.src.backend.common import global_state

import networks
from seewhy.errors import UnsupportedModel
from seewhy.settings.limits import MODEL_MEMORY_BYTES
from seewhy_worker.models.sizes import check_sizes


@pytest.fixture
def without_memory() -> Iterator[None]:
    """Give variables a shape but no memory."""
    with keras.StatelessScope(initialize_variables=False):
        yield
    global_state.set_global_attribute("uninitialized_variables", [])


@pytest.mark.usefixtures("without_memory")
@pytest.mark.parametrize(
    ("build", "gigabytes"),
    [
        # The most weights and the largest images of keras.applications.
        (keras.applications.ConvNeXtXLarge, 6.1),
        (keras.applications.EfficientNetB7, 5.3),
    ],
)
def test_the_largest_networks_of_keras_applications_are_within_the_default(
    build: Callable[..., keras.Model], gigabytes: float
) -> None:
    model = build(weights=None)
    check_sizes(model, size=(224, 224), memory_bytes=MODEL_MEMORY_BYTES, file_name="m.keras")
    with pytest.raises(UnsupportedModel, match=rf"m\.keras needs about {gigabytes} GB of memory"):
        check_sizes(model, size=(224, 224), memory_bytes=5_000_000_000, file_name="m.keras")


def test_the_need_is_four_copies_of_the_weights_and_one_of_the_activations() -> None:
    model = networks.two_layer_cnn()
    assert model.count_params() == 2489
    activations = 12 * 12 * 3 + 10 * 10 * 6 + 8 * 8 * 4 + 8 * 8 * 4 + 8 + 5
    needed_bytes = 4 * (4 * 2489 + activations)
    check_sizes(model, size=(224, 224), memory_bytes=needed_bytes, file_name="m.keras")
    with pytest.raises(UnsupportedModel, match=r"2,489 weights, 1,557 activations"):
        check_sizes(model, size=(224, 224), memory_bytes=needed_bytes - 1, file_name="m.keras")


@pytest.mark.parametrize(("size", "activations"), [((20, 30), 1800 + 600), ((10, 10), 300 + 100)])
def test_an_open_input_size_counts_at_the_given_size(
    size: tuple[int, int], activations: int
) -> None:
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(1, 1)(image))
    with pytest.raises(UnsupportedModel, match=rf"4 weights, {activations:,} activations"):
        check_sizes(model, size=size, memory_bytes=100, file_name="m.keras")


def test_an_empty_tensor_is_refused() -> None:
    image = keras.Input((12, 12, 3))
    cropped = keras.ops.slice(image, [0, 0, 0, 0], [1, 12, 12, 0])
    model = keras.Model(image, cropped)
    with pytest.raises(UnsupportedModel, match="has an empty tensor of shape"):
        check_sizes(model, size=(12, 12), memory_bytes=10**9, file_name="m.keras")
