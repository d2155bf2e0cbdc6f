"""Layers of the classifier. Importing this module registers them with Keras."""

from typing import Any

import keras


@keras.saving.register_keras_serializable("leaf_health")
class ChannelGate(keras.layers.Layer):
    """Scale each channel by a gate between 0 and 1, computed from the means of all channels.

    Hu et al. 2018, arXiv 1709.01507, without the bottleneck.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights for maps of `input_shape`, (N, h, w, C)."""
        self.gate = keras.layers.Dense(input_shape[-1], "sigmoid", name="gate")
        self.gate.build((None, input_shape[-1]))

    def call(self, maps: Any) -> Any:
        """Return the gated maps (N, h, w, C)."""
        gates = self.gate(keras.ops.mean(maps, axis=(1, 2)))
        return maps * gates[:, None, None, :]
