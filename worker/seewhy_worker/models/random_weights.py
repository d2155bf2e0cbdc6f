"""Set the weights of a network at random, or shuffle trained ones."""

import keras
import numpy as np


def initialize_weights(model: keras.Model, *, seed: int) -> None:
    """Draw every kernel from a normal distribution with He variance (arXiv 1502.01852).

    The variance keeps the activations of deep networks in range. Unlike
    `keras.utils.set_random_seed` this leaves the random state of the process alone.
    """
    generator = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        if len(variable.shape) > 1:
            values = generator.standard_normal(variable.shape, np.float32)
            values *= np.float32(np.sqrt(2.0 / np.prod(variable.shape[:-1])))
            variable.assign(values)


def shuffle_weights(model: keras.Model, *, seed: int) -> None:
    """Shuffle the weights within every kernel."""
    generator = np.random.default_rng(seed)
    for variable in model.variables:
        if len(variable.shape) > 1:
            values = generator.permutation(keras.ops.convert_to_numpy(variable).ravel())
            variable.assign(values.reshape(variable.shape))
