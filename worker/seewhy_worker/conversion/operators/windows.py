"""Convolutions and poolings: windows that move over an image."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from seewhy_worker.conversion.graph.nodes import Node
from seewhy_worker.conversion.graph.values import Value
from seewhy_worker.conversion.operators.registry import constant, operator, with_weights

Pair = tuple[int, int]
_LOWEST = float(np.finfo(np.float32).min)


@dataclass(frozen=True, slots=True)
class Window:
    """The size of a window, its steps, and the margin around the image, each (rows, columns)."""

    size: Pair
    strides: Pair
    dilations: Pair
    margins: tuple[Pair, Pair]
    """((top, bottom), (left, right))."""

    @classmethod
    def read(cls, node: Node, image: Value, size: tuple[int, ...]) -> "Window":
        """Read the attributes of a node. Raises `UnsupportedModel` unless the image is 2-D."""
        if image.rank != 4 or len(size) != 2:
            raise node.refuse("does not work on images of two axes.")
        attributes = node.attributes
        strides = tuple(attributes.get("strides", (1, 1)))
        dilations = tuple(attributes.get("dilations", (1, 1)))
        top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
        margins: Any = (top, bottom), (left, right)
        lengths = image.shape[2:]
        rule = attributes.get("auto_pad", "NOTSET")
        if rule in {"SAME_UPPER", "SAME_LOWER"}:
            axes = zip(lengths, size, strides, dilations, strict=True)
            margins = tuple(_same_margin(*axis, lower=rule == "SAME_LOWER") for axis in axes)
        window = cls(size, strides, dilations, margins)
        return window._rounded_up(lengths) if attributes.get("ceil_mode") else window

    @property
    def has_margin(self) -> bool:
        """Whether the image is widened."""
        return any(length for margin in self.margins for length in margin)

    @property
    def keras_padding(self) -> str | None:
        """`valid` or `same` where that means these margins, else None."""
        if not self.has_margin:
            return "valid"
        axes = zip(self.margins, self.size, self.strides, self.dilations, strict=True)
        is_same = all(
            stride == 1 and margin == _same_margin(1, size, 1, dilation, lower=False)
            for margin, size, stride, dilation in axes
        )
        return "same" if is_same else None

    def _rounded_up(self, lengths: tuple[int, ...]) -> "Window":
        """Widen the margins so that the last window is complete, unless it only sees margin."""
        margins = []
        axes = zip(lengths, self.size, self.strides, self.margins, strict=True)
        for length, size, stride, (before, after) in axes:
            count = -(-(length + before + after - size) // stride) + 1
            if (count - 1) * stride >= length + before:
                count -= 1
            missing = (count - 1) * stride + size - length - before - after
            margins.append((before, after + max(0, missing)))
        return Window(self.size, self.strides, self.dilations, tuple(margins))  # type: ignore[arg-type]


def _same_margin(length: int, size: int, stride: int, dilation: int, *, lower: bool) -> Pair:
    """Return the margin with which the output has ⌈length / stride⌉ cells."""
    cells = -(-length // stride)
    total = max(0, (cells - 1) * stride + (size - 1) * dilation + 1 - length)
    small, large = total // 2, total - total // 2
    return (large, small) if lower else (small, large)


def _widen(window: Window, image: Value) -> tuple[Any, str]:
    """Return the image, widened with zeros where needed, and the padding for Keras."""
    padding = window.keras_padding
    if padding is not None:
        return image.tensor, padding
    return keras.layers.ZeroPadding2D(window.margins)(image.tensor), "valid"


@operator("Conv")
def convolution(node: Node, image: Value, kernel: Value, bias: Value | None = None) -> Value:
    """Convert to `Conv2D`, or to `DepthwiseConv2D` where each channel is a group of its own."""
    weights = constant(node, kernel, "kernel")  # (out, in / groups, height, width)
    image = image.as_image()
    window = Window.read(node, image, weights.shape[2:])
    tensor, padding = _widen(window, image)
    groups, channels = node.attributes.get("group", 1), image.shape[1]
    options = {
        "kernel_size": window.size,
        "strides": window.strides,
        "dilation_rate": window.dilations,
        "padding": padding,
        "use_bias": bias is not None,
        "name": node.name,
    }
    layer: Any
    if groups == channels > 1:
        copies = weights.shape[0] // channels
        layer = keras.layers.DepthwiseConv2D(depth_multiplier=copies, **options)
        arranged = weights.reshape(channels, copies, *window.size).transpose(2, 3, 0, 1)
    else:
        layer = keras.layers.Conv2D(weights.shape[0], groups=groups, **options)
        arranged = weights.transpose(2, 3, 1, 0)
    biases = [] if bias is None else [constant(node, bias, "bias")]
    return Value(with_weights(layer, tensor, [arranged, *biases]), is_image=True)


@operator("MaxPool")
def max_pooling(node: Node, image: Value) -> Value:
    """Convert to `MaxPooling2D`."""
    image, window = _pooling_window(node, image)
    tensor, padding = image.tensor, window.keras_padding
    if padding is None and image.nonnegative:
        tensor, padding = _widen(window, image)
    elif padding is None:
        margins = ((0, 0), *window.margins, (0, 0))
        tensor, padding = keras.ops.pad(tensor, margins, constant_values=_LOWEST), "valid"
    layer = keras.layers.MaxPooling2D(window.size, window.strides, padding, name=node.name)
    return image.like(layer(tensor), nonnegative=image.nonnegative)


@operator("AveragePool")
def average_pooling(node: Node, image: Value) -> Value:
    """Convert to `AveragePooling2D`, corrected where a window does not count the margin."""
    image, window = _pooling_window(node, image)
    layer = keras.layers.AveragePooling2D(window.size, window.strides, "valid", name=node.name)
    if not window.has_margin:
        return image.like(layer(image.tensor), nonnegative=image.nonnegative)
    averages = layer(keras.layers.ZeroPadding2D(window.margins)(image.tensor))
    if node.attributes.get("count_include_pad"):
        if node.attributes.get("ceil_mode"):
            raise node.refuse("counts the margin and rounds its size up, which is not supported.")
        return image.like(averages, nonnegative=image.nonnegative)
    axes = zip(image.shape[2:], window.size, window.strides, window.margins, strict=True)
    rows, columns = (_counted_cells(*axis) for axis in axes)
    area = window.size[0] * window.size[1]
    correction = (area / np.outer(rows, columns)).astype(np.float32)[np.newaxis, :, :, np.newaxis]
    return image.like(keras.ops.multiply(averages, correction), nonnegative=image.nonnegative)


def _counted_cells(length: int, size: int, stride: int, margin: Pair) -> Any:
    """Return how many cells of the image each window sees along one axis."""
    before, after = margin
    inside = np.zeros(before + length + after)
    inside[before : before + length] = 1
    return np.lib.stride_tricks.sliding_window_view(inside, size)[::stride].sum(axis=1)


def _pooling_window(node: Node, image: Value) -> tuple[Value, Window]:
    image = image.as_image()
    window = Window.read(node, image, tuple(node.attributes["kernel_shape"]))
    if window.dilations != (1, 1):
        raise node.refuse("has gaps in its window (dilations), which is not supported.")
    return image, window


@operator("GlobalAveragePool", "GlobalMaxPool")
def global_pooling(node: Node, image: Value) -> Value:
    """Convert to a global pooling that keeps the axes of height and width."""
    if image.rank != 4:
        raise node.refuse("does not work on images of two axes.")
    image = image.as_image()
    pooling = {
        "GlobalAveragePool": keras.layers.GlobalAveragePooling2D,
        "GlobalMaxPool": keras.layers.GlobalMaxPooling2D,
    }[node.operator]
    tensor = pooling(keepdims=True, name=node.name)(image.tensor)
    return image.like(tensor, nonnegative=image.nonnegative)
