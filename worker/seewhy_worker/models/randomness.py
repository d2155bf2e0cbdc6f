"""Weights that know nothing: drawn anew, or a trained network's own out of order."""

import keras
import numpy as np


def draw(model: keras.Model, *, seed: int) -> None:
    """Give every kernel weights of He's variance, which keeps a deep network's numbers sensible.

    Not by `keras.utils.set_random_seed`, which reseeds the whole process.
    """
    generator = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        if len(variable.shape) > 1:
            drawn = generator.standard_normal(variable.shape, np.float32)
            drawn *= np.float32(np.sqrt(2.0 / np.prod(variable.shape[:-1])))
            variable.assign(drawn)


def scramble(model: keras.Model, *, seed: int) -> None:
    """Shuffle the weights within every kernel."""
    generator = np.random.default_rng(seed)
    for variable in model.variables:
        if len(variable.shape) > 1:
            values = generator.permutation(keras.ops.convert_to_numpy(variable).ravel())
            variable.assign(values.reshape(variable.shape))
