"""Networks as tutorials and teams build them: where each is explained, or why it is refused."""

from collections.abc import Callable
from pathlib import Path

import keras
import pytest
from keras import layers

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.loading import load_file
from seewhy_worker.models.splitting.split_model import split

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIDE_PX = 32


def image(channels: int = 3) -> keras.KerasTensor:
    return keras.Input((SIDE_PX, SIDE_PX, channels), name="image")


def conv(filters: int, name: str, *, stride: int = 1) -> layers.Layer:
    return layers.Conv2D(filters, 3, stride, padding="same", activation="relu", name=name)


def dense(
    hidden: keras.KerasTensor, units: int = 3, activation: str = "softmax"
) -> keras.KerasTensor:
    return layers.Dense(units, activation, name="scores")(hidden)


def pooled(hidden: keras.KerasTensor) -> keras.KerasTensor:
    return layers.GlobalAveragePooling2D()(hidden)


def backbone(name: str, filters: int = 8) -> keras.Model:
    pixels = image()
    return keras.Model(pixels, conv(filters, "last", stride=2)(conv(4, "first")(pixels)), name=name)


def mnist() -> keras.Model:
    steps = [conv(4, "conv1"), layers.MaxPooling2D(), conv(8, "conv2"), layers.MaxPooling2D()]
    return keras.Sequential(
        [image(1), *steps, layers.Flatten(), layers.Dropout(0.5), layers.Dense(10, "softmax")]
    )


def flowers() -> keras.Model:
    """https://www.tensorflow.org/tutorials/images/classification."""
    augmentation = keras.Sequential(
        [layers.RandomFlip("horizontal"), layers.RandomRotation(0.1), layers.RandomZoom(0.1)],
        name="augmentation",
    )
    steps = [layers.Rescaling(1 / 255), conv(4, "conv1"), layers.MaxPooling2D()]
    steps += [conv(8, "conv2"), layers.MaxPooling2D(), conv(8, "conv3"), layers.MaxPooling2D()]
    ends = [layers.Dropout(0.2), layers.Flatten(), layers.Dense(8, "relu"), layers.Dense(5)]
    return keras.Sequential([image(), augmentation, *steps, *ends])


def from_scratch() -> keras.Model:
    """https://keras.io/examples/vision/image_classification_from_scratch."""
    pixels = image()
    hidden = layers.BatchNormalization()(
        conv(4, "entry", stride=2)(layers.Rescaling(1 / 255)(pixels))
    )
    shortcut = hidden
    for size in (8, 12):
        hidden = layers.SeparableConv2D(size, 3, padding="same")(layers.Activation("relu")(hidden))
        hidden = layers.MaxPooling2D(3, 2, "same")(layers.BatchNormalization()(hidden))
        shortcut = layers.Conv2D(size, 1, 2, padding="same")(shortcut)
        hidden = shortcut = layers.Add(name=f"sum{size}")([hidden, shortcut])
    last = layers.Activation("relu", name="last")(
        layers.SeparableConv2D(16, 3, padding="same")(hidden)
    )
    return keras.Model(pixels, layers.Dense(1)(layers.Dropout(0.25)(pooled(last))))


def transfer() -> keras.Model:
    """https://keras.io/guides/transfer_learning."""
    pixels = image()
    scaled = layers.Rescaling(1 / 127.5, offset=-1)(layers.RandomFlip()(pixels))
    hidden = backbone("xception")(scaled, training=False)
    return keras.Model(pixels, layers.Dense(1)(layers.Dropout(0.2)(pooled(hidden))))


def two_backbones() -> keras.Model:
    pixels = image()
    means = [pooled(backbone("left")(pixels)), pooled(backbone("right", 12)(pixels))]
    return keras.Model(pixels, dense(layers.Concatenate()(means)))


def two_views() -> keras.Model:
    pixels = image()
    both = backbone("both")
    views = (pixels, layers.CenterCrop(24, 24)(layers.ZeroPadding2D(4)(pixels)))
    resized = (layers.Resizing(SIDE_PX, SIDE_PX)(view) for view in views)
    return keras.Model(pixels, dense(layers.Concatenate()([pooled(both(v)) for v in resized])))


def squeeze_and_excitation() -> keras.Model:
    pixels = image()
    hidden = conv(8, "conv")(pixels)
    gate = layers.Reshape((1, 1, 8))(layers.Dense(8, "sigmoid")(pooled(hidden)))
    return keras.Model(pixels, dense(pooled(layers.Multiply(name="gated")([hidden, gate]))))


def inception() -> keras.Model:
    pixels = image()
    stem = conv(4, "stem", stride=2)(pixels)
    mixed = layers.Concatenate(name="mixed")([conv(4, "one")(stem), conv(4, "three")(stem)])
    return keras.Model(pixels, dense(pooled(mixed)))


def u_net() -> keras.Model:
    pixels = image()
    fine = conv(4, "down")(pixels)
    deep = layers.UpSampling2D()(conv(8, "bottom")(layers.MaxPooling2D()(fine)))
    joined = conv(4, "up")(layers.Concatenate()([fine, deep]))
    return keras.Model(pixels, dense(pooled(joined)))


def vision_transformer() -> keras.Model:
    """Patches by a convolution, then tokens."""
    pixels = image()
    patches = layers.Conv2D(8, 8, 8, name="patches")(pixels)
    tokens = layers.Reshape((16, 8))(patches)
    attended = layers.MultiHeadAttention(2, 4)(tokens, tokens)
    tokens = layers.LayerNormalization()(layers.Add()([tokens, attended]))
    return keras.Model(pixels, dense(layers.GlobalAveragePooling1D()(tokens)))


def multi_label() -> keras.Model:
    pixels = image()
    return keras.Model(pixels, dense(pooled(conv(4, "conv")(pixels)), 14, "sigmoid"))


def channels_first() -> keras.Model:
    pixels = keras.Input((3, SIDE_PX, SIDE_PX))
    hidden = layers.Conv2D(4, 3, data_format="channels_first", name="conv")(pixels)
    return keras.Model(
        pixels, dense(layers.GlobalAveragePooling2D(data_format="channels_first")(hidden))
    )


def open_size() -> keras.Model:
    pixels = keras.Input((None, None, 3))
    return keras.Model(pixels, dense(pooled(conv(4, "conv")(pixels))))


def class_and_box() -> keras.Model:
    pixels = image()
    hidden = pooled(conv(4, "conv")(pixels))
    return keras.Model(pixels, [dense(hidden), layers.Dense(4, name="box")(hidden)])


def mean_of_softmaxes() -> keras.Model:
    pixels = image()
    members = [layers.Dense(3, "softmax")(pooled(backbone(n)(pixels))) for n in ("one", "two")]
    return keras.Model(pixels, layers.Average()(members))


def lambda_scaling() -> keras.Model:
    pixels = image()
    scaled = layers.Lambda(lambda x: x / 255, name="scale")(pixels)
    return keras.Model(pixels, dense(pooled(conv(4, "conv")(scaled))))


def video() -> keras.Model:
    frames = keras.Input((5, SIDE_PX, SIDE_PX, 3))
    hidden = layers.ConvLSTM2D(4, 3)(frames)
    return keras.Model(frames, dense(pooled(hidden)))


def multilayer_perceptron() -> keras.Model:
    pixels = image(1)
    return keras.Model(pixels, dense(layers.Dense(8, "relu")(layers.Flatten()(pixels))))


def multispectral() -> keras.Model:
    pixels = image(13)
    return keras.Model(pixels, dense(pooled(conv(4, "conv")(pixels))))


def image_and_metadata() -> keras.Model:
    pixels, age = image(), keras.Input((1,), name="age")
    joined = layers.Concatenate()([pooled(conv(4, "conv")(pixels)), age])
    return keras.Model([pixels, age], dense(joined))


EXPLAINED: list[tuple[Callable[[], keras.Model], str]] = [
    (mnist, "conv2"),
    (flowers, "conv3"),
    (from_scratch, "last"),
    (transfer, "xception/last"),
    (two_backbones, "right/last"),
    (two_views, "both/last#2"),
    (squeeze_and_excitation, "gated"),
    (inception, "mixed"),
    (u_net, "up"),
    (vision_transformer, "patches"),
    (multi_label, "conv"),
    (channels_first, "conv"),
    (open_size, "conv"),
    (image_and_metadata, "conv"),
]
REFUSED: list[tuple[Callable[[], keras.Model], str]] = [
    (class_and_box, r"2 outputs, scores, box: choose one with `output`"),
    (mean_of_softmaxes, "combines probabilities .* explain one of its members"),
    (lambda_scaling, r"contains Python code \(the Lambda 'scale'\)"),
    (video, "0 inputs of the rank of images"),
    (multilayer_perceptron, "no layer with a spatial output"),
    (multispectral, "build it for images of a fixed size"),
]


@pytest.mark.parametrize(("build", "layer"), EXPLAINED)
def test_a_network_is_explained_at(
    build: Callable[[], keras.Model], layer: str, tmp_path: Path
) -> None:
    keras.utils.clear_session()
    build().save(tmp_path / "model.keras")
    found = split(load_file(tmp_path / "model.keras"), size=(SIDE_PX, SIDE_PX))
    assert found.layer == layer


@pytest.mark.parametrize(("build", "reason"), REFUSED)
def test_a_network_is_refused_because(
    build: Callable[[], keras.Model], reason: str, tmp_path: Path
) -> None:
    keras.utils.clear_session()
    build().save(tmp_path / "model.keras")
    with pytest.raises(UnsupportedModel, match=reason):
        split(load_file(tmp_path / "model.keras"), size=(SIDE_PX, SIDE_PX))
