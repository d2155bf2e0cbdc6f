"""Explanations from a gradient tape over a whole Keras model, which no split takes part in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from reference_formulas import Network, ReferenceImage


class FullGraph(Network):
    """A model, run whole, whose layer can be read or replaced while it runs."""

    def __init__(self, model: keras.Model, layer: keras.layers.Layer, *, call: int = 0) -> None:
        """Explain the output of one of the layer's calls, counted from 0, to logits."""
        self._model, self._layer, self._call = model, layer, call
        self._pixels = np.empty(0)

    def image(self, pixels: np.ndarray) -> ReferenceImage:
        """Run pixels (H, W, 3), and take the gradient of each logit."""
        with tf.GradientTape(persistent=True) as tape, self._hook(lambda a: a) as outputs:
            tape.watch(watched := tf.constant(pixels[None]))
            logits = self._model(watched, training=False)
            rows = [logits[0, c] for c in range(logits.shape[1])]
        activation = outputs[self._call]
        jacobian = [tape.gradient(row, activation)[0] for row in rows]
        self._pixels = pixels
        return ReferenceImage(
            self, pixels, activation[0].numpy(), np.stack(jacobian), logits[0].numpy()
        )

    def body(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Return the layer's output for pixels (H, W, 3), which `head` then goes on with."""
        self._pixels = pixels.astype(np.float32)
        with self._hook(lambda a: a) as outputs:
            self._model(self._pixels[None], training=False)
        return [outputs[self._call][0].numpy()]

    def head(self, a: np.ndarray) -> np.ndarray:
        """Return the logits of the same pixels with `a` as the layer's output."""
        with self._hook(lambda _: tf.constant(a[None], tf.float32)):
            return np.asarray(self._model(self._pixels[None], training=False)[0])

    @contextmanager
    def _hook(self, change: Callable[[Any], Any]) -> Iterator[list[Any]]:
        """Change the output of the chosen call of the layer, and list the outputs of all calls."""
        outputs: list[Any] = []
        call = self._layer.call

        def hooked(*args: Any, **kwargs: Any) -> Any:
            found = call(*args, **kwargs)
            outputs.append(change(found) if len(outputs) == self._call else found)
            return outputs[-1]

        self._layer.call = hooked
        try:
            yield outputs
        finally:
            self._layer.call = call
